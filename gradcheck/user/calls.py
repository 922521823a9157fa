"""Calls the user's code, catching its exceptions, output and warnings."""

from __future__ import annotations

import contextlib
import io
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
from gradcheck.user.notebooks import SUFFIX, line_of
from gradcheck.user.random_states import RandomStates

LOSS = "your loss"
GRADIENT = "your gradient"
STEP = "your step"

OWN_FOLDER = Path(__file__).resolve().parent.parent
STANDARD_LIBRARY = Path(traceback.__file__).resolve().parent
NUMPY = Path(np.__file__).resolve().parent
GENERATED = ("<frozen", "<__array_function__", "<attrs")
"""Names of code without a file that is not the user's."""

_CELL = re.compile(r"[/\\]ipykernel_\d+[/\\][^/\\]+$|^<ipython-input-")


@dataclass(frozen=True)
class Location:
    """A line of the user's code, and the columns of an expression in it if they are known.

    Lines are counted from 1, columns from 0, in bytes of the line's text; the end is after the
    last character. `file` is the name that Python uses.
    """

    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None

    @property
    def columns(self) -> tuple[int, int, int] | None:
        """The column, the last line and the last column; None if one is unknown."""
        ends = self.column, self.end_line, self.end_column
        return None if None in ends else cast(tuple[int, int, int], ends)

    @property
    def source(self) -> str:
        """The text of the line, without its indentation; "" if it cannot be read."""
        try:
            return line_of(self.file, self.line).strip()
        except ValueError:  # a null byte in the file name
            return ""

    @property
    def underline(self) -> str:
        """Blanks and carets that underline the expression in `source`; "" without columns."""
        if self.column is None or self.end_column is None or not self.source:
            return ""
        line = line_of(self.file, self.line)
        before = len(line.encode()[: self.column].decode(errors="replace"))
        one_line = self.end_line in (None, self.line)
        end = (
            line.encode()[: self.end_column].decode(errors="replace") if one_line else line.rstrip()
        )
        indent = len(line) - len(line.lstrip())
        return " " * (before - indent) + "^" * max(1, len(end) - before)


def cell_name(file: str) -> str | None:
    """`cell [8]` for a file name under which a notebook compiles a cell; None for other files.

    For a notebook whose code runs as one script, the name of its file.
    """
    if file.endswith(SUFFIX):
        return Path(file).name
    if not _CELL.search(file):
        return None
    counted = re.search(r"<ipython-input-(\d+)-", file)
    number = counted[1] if counted else None
    with contextlib.suppress(Exception):  # IPython's private record, which may be missing
        number = number or sys.modules["IPython"].get_ipython().compile._filename_map[file]
    return f"cell [{number}]" if number else "cell"


def place(location: Location) -> str:
    """`file:line`, relative to the working directory if it can be; `cell [8], line 3` of cells."""
    cell = cell_name(location.file)
    if cell is not None:
        return f"{cell}, line {location.line}"
    return f"{from_here(Path(location.file))}:{location.line}"


@dataclass(frozen=True)
class Raised:
    """An exception in a call of the user's code.

    Attributes:
        call: the call in words: "your loss".
        error: the exception.
        frames: the lines of the user's own frames, the outermost first.
        scope: the global and local variables of the innermost of these frames.
        moved: whether the call was at another point than the user's own.
        locals: the local variables of every frame.
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
        except Exception:  # a broken __str__ counts as no text
            text = ""
        return f"{kind}: {text}" if text else kind

    @property
    def summary_and_place(self) -> str:
        """The exception in one line, with the line of the user's code that raised it."""
        return f"{self.summary} ({place(self.frames[-1])})" if self.frames else self.summary


LEAVING: tuple[type[BaseException], ...] = (Exception, SystemExit, GeneratorExit)
"""The exceptions of user code that are caught; an interrupt is meant for gradcheck."""


class UserCodeError(Exception):
    """An exception in the user's code, as `raised`."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.summary)
        self.raised = raised


def call(function: Callable[..., Any], what: str, *arguments: Any) -> Any:
    """Calls a function of the user's; `what` names the call in messages.

    Raises:
        UserCodeError: the function raised an exception, or asked the interpreter to exit.
        UsageError: the function is one of gradcheck's that called user code, and raised this.
    """
    try:
        return function(*arguments)
    except LEAVING as error:
        raise as_users_error(what, error) from None


def as_users_error(what: str, error: BaseException) -> BaseException:
    """The exception that `call` raises for an exception of the user's code."""
    if isinstance(error, UsageError | UserCodeError):
        return error
    return UserCodeError(read_traceback(what, error))


def read_traceback(what: str, error: BaseException) -> Raised:
    """The part of an exception's traceback that lies in the user's code."""
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
    """Whether a file is the user's: not gradcheck's, not installed, not Python's."""
    return _owner(filename) is Owner.USER


class Owner(Enum):
    """The owner of a source file."""

    USER = "the user's"
    GRADCHECK = "gradcheck's"
    OTHERS = "installed, or Python's own"


@lru_cache(maxsize=4096)  # called for every frame of a warning, and slow
def _owner(filename: str) -> Owner:
    if filename.startswith("<"):
        return Owner.OTHERS if filename.startswith(GENERATED) else Owner.USER
    path = Path(filename).resolve()
    if OWN_FOLDER in path.parents:
        bundled = path.relative_to(OWN_FOLDER).parts[0] == "cases"
        return Owner.USER if bundled else Owner.GRADCHECK
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    is_others = installed or not {NUMPY, STANDARD_LIBRARY}.isdisjoint(path.parents)
    return Owner.OTHERS if is_others else Owner.USER


def hand_over(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Calls a function of the user's inside a function of gradcheck's that `call` runs.

    Like that of `call`, its frame marks warnings of functions without frames (`numpy.log`) as those
    of the user's code.
    """
    return function(*arguments, **named)


MOST_KEPT = 4000
"""The number of characters that are stored of the output of the user's code."""


@dataclass
class Heard:
    """The warnings of the user's code, the number of printed characters, and the first of them."""

    warnings: Counter[tuple[str, Location]] = field(default_factory=Counter)
    printed: int = 0
    text: str = ""

    def count(self, message: str, named: Location, frame: FrameType) -> None:
        """Counts a warning that names a place, if the user's code caused it."""
        location = _in_users_code(named, frame)
        if location is not None:
            self.warnings[message, location] += 1


def _in_users_code(named: Location, frame: FrameType | None) -> Location | None:
    """The place of a warning in the user's code; None if gradcheck's own code caused it.

    The innermost frame that is the user's or gradcheck's decides: numpy's warnings are caused by
    its caller.
    """
    while frame is not None:
        owner = _owner(frame.f_code.co_filename)
        if owner is Owner.USER:
            there = Location(frame.f_code.co_filename, frame.f_lineno)
            return named if is_users_file(named.file) else there
        if owner is Owner.GRADCHECK:
            return named if frame.f_code in (call.__code__, hand_over.__code__) else None
        frame = frame.f_back
    return named  # in a thread that the user's code started


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
    """Captures output and warnings of the user's code, and restores global state at the end.

    Warnings and output are counted in the `Heard`. numpy's error state and the random states of
    numpy, Python and torch are restored, also after an exception.
    """
    heard = Heard()
    states = RandomStates()
    try:
        with (
            contextlib.redirect_stdout(_CountingStream(heard)),
            warnings.catch_warnings(),
            np.errstate(),
        ):
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", PendingDeprecationWarning)  # of np.matrix, for example
            warnings.showwarning = lambda message, category, filename, line, *_: heard.count(
                str(message), Location(filename, line), sys._getframe(1)
            )
            yield heard
    finally:
        states.restore()
