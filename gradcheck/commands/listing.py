"""`gradcheck list`: the bundled cases."""

from __future__ import annotations

import argparse

from gradcheck.commands.command import Command


def _list(_: argparse.Namespace) -> int:
    from tabulate import tabulate

    from gradcheck.casefiles import find_cases

    rows = [(entry.name, entry.network, entry.summary, entry.source) for entry in find_cases([])]
    print(tabulate(rows, ("case", "network", "bug", "source"), tablefmt="plain"))
    return 0


COMMAND = Command("the bundled cases: network, bug, source", _list)
