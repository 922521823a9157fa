"""The command line; each command is a file in `commands` and a row in `COMMANDS`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

from gradcheck.commands import explaining, initialising, listing, repairing, run, training
from gradcheck.commands.command import Command, tell
from gradcheck.errors import UsageError
from gradcheck.report.outcome import UNDECIDED
from gradcheck.version import __version__
from gradcheck.words import with_nearest

DEFAULT = "run"

EXAMPLES = """examples:
  gradcheck                              every bundled case
  gradcheck list                         what they are
  gradcheck explain GC303                what a rule means, with an example
  gradcheck run overfit_pixels:published one of them
  gradcheck train overfit_pixels         what the bug does to training
  gradcheck repair overfit_pixels:published   the edit that mends it, as a diff
  gradcheck run my_checks.py             the cases of your own file
  gradcheck run train.py                 one iteration of a script that holds no case
  gradcheck init train.py                the same, written down as a case file
  gradcheck run my_checks.py:my_network --format json
  gradcheck run my_checks.py --output report.html --output junit.xml

exit status: 0 all as expected, 1 a gradient is wrong (or a case did not come out as its author
expects), 2 it could not be decided or the call is wrong
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in (*COMMANDS, "-h", "--help", "--version"):
        mistyped = given and _mistyped_command(given[0])
        if mistyped:
            tell(mistyped)
            return UNDECIDED
        given.insert(0, DEFAULT)
    options = _parser().parse_args(given)
    try:
        return COMMANDS[options.command].run(options)
    except UsageError as error:
        tell(str(error))
    except BrokenPipeError:
        sys.stderr.close()
    except KeyboardInterrupt:
        tell("interrupted")
    return UNDECIDED


def _mistyped_command(word: str) -> str | None:
    """The message for a word that resembles a command and names no file or case, else None."""
    from gradcheck.casefiles import bundled_files

    is_target = not word.isalpha() or Path(word).exists()
    if is_target or word in {path.stem for path in bundled_files()}:
        return None
    sentence = with_nearest(f"there is no command {word!r}", word, COMMANDS)
    return sentence if "did you mean" in sentence else None


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the nearest option for a mistyped one."""

    options: ClassVar[set[str]] = set()

    def add_argument(self, *names: Any, **how: Any) -> argparse.Action:
        self.options.update(name for name in names if name.startswith("--"))
        return super().add_argument(*names, **how)

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: .*?(--[\w-]+)", message)
        super().error(with_nearest(message, unknown[1], self.options) if unknown else message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gradcheck",
        description="Checks hand-written gradients against finite differences, and names the bug.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gradcheck {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    for name, command in COMMANDS.items():
        command.add_arguments(
            commands.add_parser(
                name,
                help=command.help,
                description=f"{command.help[0].upper()}{command.help[1:]}.",
                epilog=EXAMPLES if name == DEFAULT else None,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return parser


def _completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to complete in")


def _completion(options: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError:
        raise UsageError("completion needs shtab: pip install shtab") from None
    print(shtab.complete(_parser(), shell=options.shell))
    return 0


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        DEFAULT: run.COMMAND,
        "list": listing.COMMAND,
        "explain": explaining.COMMAND,
        "init": initialising.COMMAND,
        "train": training.COMMAND,
        "repair": repairing.COMMAND,
        "completion": Command(
            "print a shell script that completes these commands", _completion, _completion_arguments
        ),
    }
)
"""All commands by name."""
