"""What the checks came to: a row per family, per kind and in all, and the runs to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tabulate import tabulate

from benchmarks.fuzz.problem import FAMILIES
from benchmarks.fuzz.run import LAST_LINE, TIMES, Check

HEADERS = (
    "checks",
    "right",
    "false alarms",
    "misses",
    "undecided: right",
    "though decidable",
    "wrong",
    "crashes",
    "evaluations an entry",
    *(f"passed at {times} x" for times in TIMES),
    "at the last line's",
)

OFFENCES = ("crash", "false alarm", "miss")

MOST_SHOWN = 12


def row(checks: Sequence[Check]) -> tuple[object, ...]:
    """The numbers of some checks, in the order of the headers."""
    right = [check for check in checks if check.right]
    wrong = [check for check in checks if not check.right]
    undecided = [check for check in right if check.outcome == "undecided"]
    asked = [check.evaluations for check in right if check.evaluations is not None]
    return (
        len(checks),
        len(right),
        _count(right, "false alarm"),
        _count(wrong, "miss"),
        len(undecided),
        sum(check.decidable for check in undecided),
        _count(wrong, "undecided"),
        _count(checks, "crash"),
        f"{np.median(asked):.1f}" if asked else "",
        *(_passed(wrong, times) for times in (*TIMES, LAST_LINE)),
    )


def _count(checks: Sequence[Check], outcome: str) -> int:
    return sum(check.outcome == outcome for check in checks)


def _passed(checks: Sequence[Check], times: int) -> str:
    planted = [check for check in checks if check.planted == times]
    return f"{sum(check.passed for check in planted)}/{len(planted)}" if planted else ""


def render(checks: Sequence[Check]) -> str:
    """All tables, and how to repeat what went wrong."""
    kinds = list(dict.fromkeys(found.kind for found in FAMILIES.values()))
    families = [
        (kind, name, *row(mine))
        for kind in kinds
        for name, found in FAMILIES.items()
        if found.kind == kind and (mine := [check for check in checks if check.family == name])
    ]
    totals = [
        (kind, *row(mine))
        for kind in kinds
        if (mine := [check for check in checks if FAMILIES[check.family].kind == kind])
    ]
    parts = [_table(families, ("kind", "family", *HEADERS))]
    parts.append(_table([*totals, ("in all", *row(checks))], ("kind", *HEADERS)))
    parts += [_offenders(checks, outcome) for outcome in OFFENCES]
    crashed = [check for check in checks if check.outcome == "crash"]
    parts += [f"the first crash:\n{crashed[0].text}"] if crashed else []
    return "\n\n".join(filter(None, parts))


def _table(rows: Sequence[tuple[object, ...]], headers: Sequence[str]) -> str:
    wrapped = [header.replace(" ", "\n") for header in headers]
    return tabulate(rows, wrapped, tablefmt="plain", disable_numparse=True)


def _offenders(checks: Sequence[Check], outcome: str) -> str:
    """The runs with an outcome, by family, the seeds to give to `make fuzz`."""
    rows = []
    for name in FAMILIES:
        mine = [check for check in checks if check.family == name and check.outcome == outcome]
        seeds = sorted({check.seed for check in mine})
        if seeds:
            shown = " ".join(map(str, seeds[:MOST_SHOWN]))
            rows.append((f"FAMILY={name}", f"SEED={shown}{' ...' * (len(seeds) > MOST_SHOWN)}"))
    table = tabulate(rows, tablefmt="plain", disable_numparse=True)
    return f"{outcome}: make fuzz with\n{table}" if rows else ""


def render_run(checks: Sequence[Check]) -> str:
    """One run: what came of every check, and the reports of the right one and of offenders."""
    parts = []
    for check in checks:
        parts.append(f"{check.family}, seed {check.seed}, {check.door}: {check.gradient}")
        parts[-1] += f": {check.outcome}"
        if check.right or check.outcome in OFFENCES:
            parts.append(check.text)
    return "\n\n".join(parts)
