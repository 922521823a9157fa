"""`make fuzz N=2000`: that many checks over all families; with FAMILY and SEED alone, one run."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor

from benchmarks.fuzz import families  # noqa: F401  # fills the table
from benchmarks.fuzz.problem import FAMILIES
from benchmarks.fuzz.run import CHECKS, Check, run
from benchmarks.fuzz.tables import render, render_run

PROCESSES = 2
DEFAULT = 2000


def _run(task: tuple[str, int]) -> list[Check]:
    name, seed = task
    return run(FAMILIES[name], seed)


def run_all(names: list[str], count: int, seed: int) -> list[Check]:
    """About so many checks, the families in turn, each with seeds from the given one on."""
    runs = max(1, count // CHECKS)
    tasks = [(names[i % len(names)], seed + i // len(names)) for i in range(runs)]
    with ProcessPoolExecutor(PROCESSES) as pool:
        return [check for checks in pool.map(_run, tasks, chunksize=4) for check in checks]


def main() -> None:
    """Reads the arguments and prints the tables."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--checks", type=int, help=f"how many, about; {DEFAULT} if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", choices=sorted(FAMILIES), metavar="NAME")
    parser.add_argument("--kind", help="only the families of this kind")
    given = parser.parse_args()
    if given.family and not given.checks:
        print(render_run(run(FAMILIES[given.family], given.seed)))
        return
    chosen = [
        name
        for name, found in FAMILIES.items()
        if given.family in (None, name) and given.kind in (None, found.kind)
    ]
    if not chosen:
        kinds = sorted({found.kind for found in FAMILIES.values()})
        parser.error(f"no family is of the kind {given.kind!r}; there are {', '.join(kinds)}")
    print(render(run_all(chosen, given.checks or DEFAULT, given.seed)))


if __name__ == "__main__":
    main()
