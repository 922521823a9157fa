"""How the time of the shared lines grows with the number of parameters, times the batch size."""

from __future__ import annotations

from pathlib import Path

from benchmarks.networks import growing
from benchmarks.own import tier
from gradcheck.numeric.structured import SHARED_LINES

SIZES = (10**3, 10**4, 10**5, 10**6, 10**7)
BATCH = 32


def growth() -> list[tuple[int, float]]:
    """(parameters, seconds), at m = 32."""
    rows = []
    for size in SIZES:
        setting = growing(size)
        rows.append((setting.size, tier(setting, SHARED_LINES).seconds))
    return rows


def plot(rows: list[tuple[int, float]], path: Path) -> bool:
    """Draws it; False without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    sizes, seconds = zip(*rows, strict=True)
    axes.loglog([size * BATCH for size in sizes], seconds, "o-", label="shared lines")
    last = seconds[-1] / sizes[-1]
    axes.loglog(
        [size * BATCH for size in sizes],
        [last * size for size in sizes],
        "--",
        color="grey",
        label="linear",
    )
    axes.set_xlabel("parameters x batch size")
    axes.set_ylabel("seconds")
    axes.legend()
    figure.savefig(path)
    return True
