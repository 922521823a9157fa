"""`gradcheck explain`: list the rules, or explain one."""

from __future__ import annotations

import argparse

from gradcheck.commands.command import Command, width


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "rule",
        nargs="?",
        metavar="RULE",
        help="a code (GC303), the beginning of codes (GC3), or a name (sign-flipped)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format")


def _explain(options: argparse.Namespace) -> int:
    from gradcheck.report.explain import as_json, explain

    if options.format == "json":
        print(as_json(options.rule))
    else:
        print(explain(options.rule, width()))
    return 0


COMMAND = Command("the rules: what they are, and one in full", _explain, _explain_arguments)
