"""`gradcheck init`: write a case file for a training script."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradcheck.commands.command import Command
from gradcheck.errors import UsageError


def add_wishes(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe a script."""
    add = parser.add_argument
    add("--loss", metavar="NAME|LINE", help="the name or the line of a script's loss")
    add("--params", metavar="A,B", help="the parameters that a script trains")
    add("--lr", type=float, metavar="X", help="the learning rate of a script")


def _init_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("script", type=Path, metavar="SCRIPT", help="the training script")
    add_wishes(parser)


def _init(options: argparse.Namespace) -> int:
    from gradcheck.options import Wishes
    from gradcheck.script import write_case

    if not options.script.is_file():
        raise UsageError(f"there is no file {options.script}")
    target, found = write_case(options.script, Wishes.of(options.loss, options.params, options.lr))
    if isinstance(found, str):
        print(f"{options.script} could not be taken apart: {found}")
        print(f"wrote {target}; complete it, and check it with: gradcheck run {target}")
        return 0
    print(found.text())
    print(f"wrote {target}; check it with: gradcheck run {target}")
    return 0


COMMAND = Command("write a case file for a training script", _init, _init_arguments)
