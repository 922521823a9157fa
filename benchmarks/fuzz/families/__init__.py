"""The families by kind; importing this fills the table."""

from benchmarks.fuzz.families import (  # noqa: F401  # each registers its functions
    kinks,
    ordinary,
    oscillation,
    poles,
    precision,
    sizes,
    staircases,
    zeros,
)
