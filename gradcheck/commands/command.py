"""What a command is, and how it speaks to the user."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command: what it does, in a line; what returns the exit status; and its own arguments."""

    help: str
    run: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def width() -> int | None:
    """Of the terminal that results go to, or as COLUMNS says; None where they go elsewhere."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return shutil.get_terminal_size().columns if told else None


def tell(message: str) -> None:
    """A message for the user, beside the results."""
    print(f"gradcheck: {message}", file=sys.stderr)
