"""What a command is, and how it speaks to the user."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        help: what it does, in a line.
        run: does it, and returns the exit status.
        add_arguments: adds its own to a parser.
    """

    help: str
    run: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def tell(message: str) -> None:
    """A message for the user, beside the results."""
    print(f"gradcheck: {message}", file=sys.stderr)
