"""The families by kind; importing this fills the table."""

from benchmarks.fuzz.families import (  # noqa: F401  # each registers its functions
    extremes,
    fits,
    integration,
    kinks,
    layers,
    likelihoods,
    matrices,
    networks,
    noise,
    ordinary,
    oscillation,
    poles,
    precision,
    sizes,
    staircases,
    zeros,
)
