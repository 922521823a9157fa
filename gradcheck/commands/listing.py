"""`gradcheck list`: list the bundled cases, or the cases of files."""

from __future__ import annotations

import argparse

from gradcheck.commands.command import Command, width


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="*", metavar="FILE", help="files or folders of your own")


def _list(options: argparse.Namespace) -> int:
    from gradcheck.casefiles import find_cases
    from gradcheck.report.width import fitted_table

    entries = find_cases(options.targets)
    rows = [(entry.name, entry.network, entry.summary, entry.source) for entry in entries]
    headers = ("case", "network", "bug", "source")
    print(fitted_table(rows, headers, width(), gives_way=("source", "network")))
    return 0


COMMAND = Command("the bundled cases: network, bug, source", _list, _list_arguments)
