"""`make edits N=200`: that many random edits, and how often the edited line comes first."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.edits.edit import Edit, edits_of, nets
from benchmarks.edits.run import Outcome, run

PROCESSES = 2
DEFAULT = 240


def sample(count: int, seed: int, names: Sequence[str]) -> list[Edit]:
    """So many edits, the files in turn, and of each the kinds in turn."""
    rng = np.random.default_rng(seed)
    by_net = {}
    for name in names:
        every = edits_of(name)
        order = rng.permutation(len(every))
        seen: dict[str, int] = {}
        ranked = []
        for number in order:
            kind = every[number].kind
            seen[kind] = seen.get(kind, 0) + 1
            ranked.append((seen[kind], len(ranked), every[number]))
        by_net[name] = [edit for *_, edit in sorted(ranked, key=lambda item: item[:2])]
    turns = max(map(len, by_net.values()), default=0)
    chosen = [found[i] for i in range(turns) for found in by_net.values() if i < len(found)]
    return chosen[:count]


def _share(outcomes: Sequence[Outcome], chosen: Callable[[Outcome], bool]) -> str:
    hits = sum(map(chosen, outcomes))
    return f"{hits:4d} ({100 * hits / len(outcomes):3.0f}%)" if outcomes else "   - (  -%)"


def render(outcomes: Sequence[Outcome]) -> str:
    """The tables: how many, with the edited line first, and named; by kind and by file."""
    lines = []
    for title, raises in (("silent", False), ("raising", True)):
        these = [one for one in outcomes if one.raises is raises]
        lines.append(f"{title + ' edits':<24}{'':>5}  line first   named        slowest")
        groups: list[tuple[str, list[Outcome]]] = [("all", these)]
        for key in (lambda one: one.edit.kind, lambda one: one.edit.net):
            names = sorted({key(one) for one in these})
            groups += [(name, [one for one in these if key(one) == name]) for name in names]
        for name, group in groups:
            slowest = max((one.seconds for one in group), default=0.0)
            found, named = (
                _share(group, lambda one: one.found),
                _share(group, lambda one: one.named),
            )
            lines.append(f"  {name:<22}{len(group):>5}  {found}  {named}  {slowest:6.1f} s")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Reads the arguments and prints the tables."""
    parser = argparse.ArgumentParser(prog="make edits", description=__doc__)
    parser.add_argument("--edits", type=int, default=DEFAULT, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--net", choices=nets(), help="only the edits of this file")
    parser.add_argument("--missed", action="store_true", help="show those that were not found")
    given = parser.parse_args()
    edits = sample(given.edits, given.seed, [given.net] if given.net else nets())
    with ProcessPoolExecutor(PROCESSES) as pool:
        outcomes = [one for one in pool.map(run, edits) if one is not None]
    for one in outcomes:
        if given.missed and not one.found:
            edit = one.edit
            print(f"{edit.net}:{edit.line} {edit.kind}: {edit.text}\n    {one.said}")
    print(render(outcomes))


if __name__ == "__main__":
    main()
