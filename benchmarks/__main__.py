"""`make bench`: every way side by side in one run, ratios first; results.json beside this file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tabulate import tabulate

from benchmarks.black_box import cheap, dask, screening, two_workers
from benchmarks.growth import growth, plot
from benchmarks.jacobians import side_by_side as jacobians
from benchmarks.memory import memory
from benchmarks.networks import MAKERS, Setting
from benchmarks.own import OWN
from benchmarks.peers import PEERS, Timing

HERE = Path(__file__).parent
HEADERS = ("ratio to the bare loop", "seconds", "", "entries timed", "largest error")


def side_by_side(setting: Setting) -> list[Timing]:
    """All ways on one network, as far as they are installed."""
    return [timing for measure in (*PEERS, *OWN) if (timing := measure(setting)) is not None]


def show(setting: Setting, timings: list[Timing]) -> None:
    """Prints a table, the ratios first."""
    loop = timings[0].seconds
    rows = [
        (
            f"{loop / timing.seconds:,.3g}",
            f"{timing.seconds:,.4g}",
            timing.name,
            f"{timing.sample:,} (scaled)" if timing.sample else "all",
            "" if timing.error is None else f"{timing.error:.1e}",
        )
        for timing in timings
    ]
    print(f"\n{setting.name}: {setting.size:,} parameters")
    print(tabulate(rows, HEADERS, tablefmt="plain", disable_numparse=True), flush=True)


def main(names: list[str]) -> None:
    """All networks and the rest; or only the networks named, A, B or C."""
    results: dict[str, object] = {}
    for name in names or MAKERS:
        setting = MAKERS[name]()
        timings = side_by_side(setting)
        show(setting, timings)
        results[setting.name] = [vars(timing) for timing in timings]
    if names:
        return
    rows = screening()
    print("\nD 100,000 parameters of a loss that nothing is known of")
    print(tabulate(rows, ("gradient", "evaluations", "verdict", "note"), tablefmt="plain"))
    results["screening"] = rows
    rows = jacobians()
    print("\nJacobians against scipy's, three points")
    headers = ("Jacobian", "way", "evaluations", "seconds", "ratios of these")
    print(tabulate(rows, headers, tablefmt="plain", disable_numparse=True))
    results["jacobians"] = rows
    results["cheap"] = bare, checked = cheap()
    print(f"\n300 parameters, a cheap loss: the check takes {checked / bare:.2f} bare loops")
    held = memory()
    print("\nmemory beyond the parameters, in multiples of them")
    headers = ("check", "parameters", "in all", "without what is the user's")
    print(tabulate(held, headers, tablefmt="plain", floatfmt=".1f"))
    results["memory"] = held
    for name, what, measure in (
        ("workers", "two workers on a loss of 5 ms", two_workers),
        ("dask", "a Dask cluster of two on a loss of 20 ms, 2,000 entries", dask),
    ):
        taken = measure()
        if taken is not None:
            print(f"\n{what}: {taken[0] / taken[1]:.2f} times one")
            results[name] = taken
    grown = growth()
    print("\nseconds by parameters; 784-n-10, m = 32, and a loss that nothing is known of")
    rows = [
        (name, f"{size:,}", f"{seconds:.4g}", f"{seconds / size * 1e6:.3g}")
        for name, curve in grown.items()
        for size, seconds in curve
    ]
    headers = ("", "parameters", "seconds", "us per parameter")
    print(tabulate(rows, headers, tablefmt="plain", disable_numparse=True))
    results["growth"] = grown
    if plot(grown, HERE / "growth.svg"):
        print("growth.svg was drawn")
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


main(sys.argv[1:])
