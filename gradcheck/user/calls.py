"""Calling somebody else's code: quietly, and without being brought down by it."""

from __future__ import annotations

import contextlib
import io
import linecache
import random
import re
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.files import from_here
from gradcheck.user.tensors import random_state

LOSS = "your loss"
GRADIENT = "your gradient"
STEP = "your step"

OWN_FOLDER = Path(__file__).resolve().parent.parent
STANDARD_LIBRARY = Path(traceback.__file__).resolve().parent

_CELL = re.compile(r"[/\\]ipykernel_\d+[/\\][^/\\]+$|^<ipython-input-")


@dataclass(frozen=True)
class Location:
    """A line of the user's code, and the columns of the expression in it where they are known.

    Lines are counted from 1, columns from 0, in bytes of the line's text; the end is after the
    last character. The file is as Python names it.
    """

    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None

    @property
    def columns(self) -> tuple[int, int, int] | None:
        """The column, the last line and the last column, where they are known."""
        known = self.column, self.end_line, self.end_column
        return None if None in known else cast(tuple[int, int, int], known)

    @property
    def source(self) -> str:
        """The text of the line, without its indentation; empty where it cannot be read."""
        try:
            return linecache.getline(self.file, self.line).strip()
        except ValueError:  # a null byte in the name
            return ""

    @property
    def underline(self) -> str:
        """Carets under the expression in `source`, behind as many blanks; empty without columns."""
        if self.column is None or self.end_column is None or not self.source:
            return ""
        line = linecache.getline(self.file, self.line)
        before = len(line.encode()[: self.column].decode(errors="replace"))
        one_line = self.end_line in (None, self.line)
        end = (
            line.encode()[: self.end_column].decode(errors="replace") if one_line else line.rstrip()
        )
        indent = len(line) - len(line.lstrip())
        return " " * (before - indent) + "^" * max(1, len(end) - before)


def cell_name(file: str) -> str | None:
    """`cell [8]` for the name under which a notebook compiles a cell; None for a file."""
    if not _CELL.search(file):
        return None
    counted = re.search(r"<ipython-input-(\d+)-", file)
    number = counted[1] if counted else None
    with contextlib.suppress(Exception):  # IPython's own record, where it keeps one
        number = number or sys.modules["IPython"].get_ipython().compile._filename_map[file]
    return f"cell [{number}]" if number else "cell"


def place(location: Location) -> str:
    """`file:line`, the file as seen from the working directory where it lies below it.

    In a notebook it is `cell [8], line 3`.
    """
    cell = cell_name(location.file)
    if cell is not None:
        return f"{cell}, line {location.line}"
    return f"{from_here(Path(location.file))}:{location.line}"


@dataclass(frozen=True)
class Raised:
    """What a call of the user's code raised.

    Attributes:
        call: which call it was, in words: "your loss".
        frames: the user's own frames, the outermost first.
        scope: the names that the innermost of the user's frames could see.
        locals: the variables of every frame.
        moved: whether it was at another point than the user's own.
    """

    call: str
    error: BaseException
    frames: tuple[Location, ...]
    scope: dict[str, Any] = field(repr=False)
    moved: bool = False
    locals: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    @property
    def summary(self) -> str:
        """The exception in one line."""
        kind = type(self.error).__name__
        try:
            text = " ".join(str(self.error).split())
        except Exception:  # whatever its own __str__ raises, it is an exception without a text
            text = ""
        return f"{kind}: {text}" if text else kind

    @property
    def summary_and_place(self) -> str:
        """The exception in one line, with the line of the user's code that raised it."""
        return f"{self.summary} ({place(self.frames[-1])})" if self.frames else self.summary


LEAVING: tuple[type[BaseException], ...] = (Exception, SystemExit, GeneratorExit)
"""How a call of the user's code may end without a value; an interrupt is the user's own."""


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
    except LEAVING as error:
        raise as_users_error(what, error) from None


def as_users_error(what: str, error: BaseException) -> BaseException:
    """What a call of the user's code raises where that raised; see `call`."""
    if isinstance(error, UsageError | UserCodeError):
        return error
    return UserCodeError(read_traceback(what, error))


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
    variables = tuple(dict(frame.f_locals) for frame, _ in frames)
    return Raised(what, error, locations, scope, locals=variables)


def is_users_file(filename: str) -> bool:
    """Whether a file is the user's: neither gradcheck's own, nor installed, nor Python's."""
    return _owner(filename) is Owner.USER


class Owner(Enum):
    """Whose a file is."""

    USER = "the user's"
    GRADCHECK = "gradcheck's"
    OTHERS = "installed, or Python's own"


@lru_cache(maxsize=4096)  # asked of every frame of a warning, and a slow question
def _owner(filename: str) -> Owner:
    if filename.startswith("<"):
        typed = filename.startswith(("<stdin>", "<ipython", "<string>"))
        return Owner.USER if typed else Owner.OTHERS
    path = Path(filename).resolve()
    if OWN_FOLDER in path.parents:
        bundled = path.relative_to(OWN_FOLDER).parts[0] == "cases"
        return Owner.USER if bundled else Owner.GRADCHECK
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return Owner.OTHERS if installed or STANDARD_LIBRARY in path.parents else Owner.USER


def hand_over(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Runs a function of the user's inside of one of gradcheck's that was itself given to `call`.

    Its frame says that what a function without a frame of its own warns of (`numpy.log`) is of the
    user's code, as that of `call` does.
    """
    return function(*arguments, **named)


MOST_KEPT = 4000
"""Characters that are kept of what the user's code prints."""


@dataclass
class Heard:
    """What the user's code warned of, and what it printed first, while it was quiet."""

    warnings: Counter[tuple[str, Location]] = field(default_factory=Counter)
    printed: int = 0
    text: str = ""

    def count(self, message: str, named: Location, frame: FrameType) -> None:
        """Counts a warning that names a place, if the user's code is to blame for it."""
        location = _in_users_code(named, frame)
        if location is not None:
            self.warnings[message, location] += 1


def _in_users_code(named: Location, frame: FrameType | None) -> Location | None:
    """The place of a warning in the user's code; None where gradcheck's own code is to blame.

    Whose code warns is told by who runs: of the frames from the warning outwards, the first that is
    the user's or gradcheck's. What numpy warns of, it warns its caller of.
    """
    while frame is not None:
        owner = _owner(frame.f_code.co_filename)
        if owner is Owner.USER:
            there = Location(frame.f_code.co_filename, frame.f_lineno)
            return named if is_users_file(named.file) else there
        if owner is Owner.GRADCHECK:
            return named if frame.f_code in (call.__code__, hand_over.__code__) else None
        frame = frame.f_back
    return named  # a thread of the user's own


class _CountingStream(io.TextIOBase):
    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.heard.printed += len(text)
        self.heard.text += text[: MOST_KEPT - len(self.heard.text)]
        return len(text)


@contextlib.contextmanager
def quietly() -> Iterator[Heard]:
    """Runs the user's code without its output and warnings, and restores global state after it.

    What it warns of and prints is counted; numpy's error and random state and Python's own random
    state are as before when the block ends, whatever is raised in it.
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
            warnings.showwarning = lambda message, category, filename, line, *_: heard.count(
                str(message), Location(filename, line), sys._getframe(1)
            )
            yield heard
    finally:
        restore_torch()
        np.random.set_state(numpy_state)  # noqa: NPY002  # see above
        random.setstate(python_state)
