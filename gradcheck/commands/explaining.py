"""`gradcheck explain`: the rules."""

from __future__ import annotations

import argparse

from gradcheck.commands.command import Command


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "rule", nargs="?", metavar="RULE", help="a code or name, as GC303 or sign-flipped"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of the output")


def _explain(options: argparse.Namespace) -> int:
    from gradcheck.diagnose.rules import RULES
    from gradcheck.report.explain import as_json, catalogue, explain

    if options.format == "json":
        print(as_json(RULES, options.rule))
    else:
        print(catalogue(RULES) if options.rule is None else explain(RULES, options.rule))
    return 0


COMMAND = Command("the rules: what they are, and one in full", _explain, _explain_arguments)
