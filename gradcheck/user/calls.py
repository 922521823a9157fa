"""Calling somebody else's code: quietly, and without being brought down by it."""

from __future__ import annotations

import contextlib
import io
import linecache
import random
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.tensors import random_state

OWN_FOLDER = Path(__file__).resolve().parent
STANDARD_LIBRARY = Path(traceback.__file__).resolve().parent


@dataclass(frozen=True)
class Location:
    """A line of the user's code.

    Attributes:
        file: as Python names it.
        line: 1-based.
    """

    file: str
    line: int

    @property
    def source(self) -> str:
        """The text of the line, without its indentation; empty where it cannot be read."""
        try:
            return linecache.getline(self.file, self.line).strip()
        except ValueError:  # a null byte in the name
            return ""


def place(location: Location) -> str:
    """`file:line`, the file as seen from the working directory where it lies below it."""
    file = Path(location.file)
    if file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    return f"{file}:{location.line}"


@dataclass(frozen=True)
class Raised:
    """What a call of the user's code raised.

    Attributes:
        call: which call it was, in words: "your loss".
        error: the exception.
        frames: the user's own frames, the outermost first.
        scope: the names that the innermost of the user's frames could see.
        moved: whether it was at another point than the user's own.
    """

    call: str
    error: BaseException
    frames: tuple[Location, ...]
    scope: dict[str, Any] = field(repr=False)
    moved: bool = False

    @property
    def summary(self) -> str:
        """The exception in one line."""
        text = " ".join(str(self.error).split())
        kind = type(self.error).__name__
        return f"{kind}: {text}" if text else kind

    @property
    def summary_and_place(self) -> str:
        """The exception in one line, with the line of the user's code that raised it."""
        return f"{self.summary} ({place(self.frames[-1])})" if self.frames else self.summary


class UserCodeError(Exception):
    """Carries a `Raised` from a call of the user's code to whoever reports it."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.summary)
        self.raised = raised


def call(function: Callable[..., Any], what: str, *arguments: Any) -> Any:
    """The function's result.

    Raises:
        UserCodeError: the function raised, or asked the interpreter to exit.
        UsageError: it is one of gradcheck's own, and refused what it was given.
    """
    try:
        return function(*arguments)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise UserCodeError(read_traceback(what, error)) from None


def read_traceback(what: str, error: BaseException) -> Raised:
    """The user's own part of an exception's traceback."""
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_users_file(frame.f_code.co_filename)
    ]
    scope: dict[str, Any] = {}
    if frames:
        scope = {**frames[-1][0].f_globals, **frames[-1][0].f_locals}
    error.__traceback__ = None  # its frames would keep the user's arrays alive
    locations = tuple(Location(frame.f_code.co_filename, line) for frame, line in frames)
    return Raised(what, error, locations, scope)


def is_users_file(filename: str) -> bool:
    """Whether a file is the user's: neither gradcheck's own, nor installed, nor Python's."""
    if filename.startswith("<"):
        return filename.startswith(("<stdin>", "<ipython", "<string>"))
    path = Path(filename).resolve()
    if OWN_FOLDER in path.parents:
        return "cases" in path.relative_to(OWN_FOLDER).parts
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not installed and STANDARD_LIBRARY not in path.parents


@dataclass
class Heard:
    """What the user's code said while it was kept quiet.

    Attributes:
        warnings: how often each warning came, by its text and where it arose.
        printed: how many characters went to standard output.
    """

    warnings: Counter[tuple[str, Location]] = field(default_factory=Counter)
    printed: int = 0


class _CountingStream(io.TextIOBase):
    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.heard.printed += len(text)
        return len(text)


@contextlib.contextmanager
def quietly() -> Iterator[Heard]:
    """Runs the user's code without its output and warnings, and restores global state after it.

    Warnings and printed characters are counted; numpy's error and random state and Python's own
    random state are as before when the block ends, whatever is raised in it.
    """
    heard = Heard()
    # the user's code may use numpy's global generator, whose state only the old calls reach
    numpy_state = np.random.get_state()  # noqa: NPY002  # see above
    python_state = random.getstate()
    restore_torch = random_state()
    try:
        with (
            contextlib.redirect_stdout(_CountingStream(heard)),
            warnings.catch_warnings(),
            np.errstate(),
        ):
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, category, filename, line, *_: (
                heard.warnings.update([(str(message), Location(filename, line))])
            )
            yield heard
    finally:
        restore_torch()
        np.random.set_state(numpy_state)  # noqa: NPY002  # see above
        random.setstate(python_state)
