"""The description of a command, and its output to the user."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command: its one-line help, the function that returns its exit status, its arguments."""

    help: str
    run: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def width() -> int | None:
    """Return the width of the terminal, or COLUMNS if set; None if output is redirected."""
    is_known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return shutil.get_terminal_size().columns if is_known else None


def tell(message: str) -> None:
    """Print a message for the user on stderr, apart from the results."""
    print(f"gradcheck: {message}", file=sys.stderr)
