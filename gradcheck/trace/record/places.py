"""The places in the user's code where operations happen, and the calls that lead there."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import CodeType, FrameType

from gradcheck.user.calls import NUMPY, OWN_FOLDER, Location, is_users_file

NETWORK, TRACE = str(OWN_FOLDER / "network"), str(OWN_FOLDER / "trace")


@dataclass(frozen=True)
class Place:
    """A section of the user's source.

    Attributes:
        file: the name of the file, as Python reports it.
        line: the first line, 1-based.
        end_line: the last line.
        column: the offset of the first character, 0-based, in bytes.
        end_column: the offset after the last character.
        function: the name of the function around it.
    """

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    function: str

    @classmethod
    def of(cls, part: ast.expr | ast.stmt, file: str, function: str) -> Place:
        """Return the place of a part of a parsed file."""
        ends = part.end_lineno or part.lineno, part.col_offset, part.end_col_offset or 0
        return cls(file, part.lineno, *ends, function)

    def covers(self, other: Place) -> bool:
        """Whether this section contains another one of the same file, or equals it."""
        begins = (self.line, self.column) <= (other.line, other.column)
        ends = (self.end_line, self.end_column) >= (other.end_line, other.end_column)
        return self.file == other.file and begins and ends

    @property
    def source(self) -> str:
        """The text of the section, on one line."""
        lines = [linecache.getline(self.file, n) for n in range(self.line, self.end_line + 1)]
        encoded = [line.encode() for line in lines]
        if not encoded or not any(encoded):
            return ""
        if self.end_column:
            encoded[-1] = encoded[-1][: self.end_column]
            encoded[0] = encoded[0][self.column :]
        joined = b" ".join(line.rstrip().removesuffix(b"\\") for line in encoded)
        return " ".join(joined.decode(errors="replace").split())

    @property
    def location(self) -> Location:
        """The section as a location in a report."""
        return Location(self.file, self.line, self.column, self.end_line, self.end_column)


@dataclass(frozen=True)
class Call:
    """One call of a chain: an instruction, by its offset in the code of a user's function.

    The file is stored as well, since equal code objects may come from different files.
    """

    code: CodeType
    instruction: int
    file: str

    def __hash__(self) -> int:
        """Return a hash without that of the code, which takes long."""
        return hash((self.instruction, self.file))

    @cached_property
    def place(self) -> Place:
        """The section of the source that the instruction belongs to."""
        code = self.code
        positions = _positions(code.co_linetable, code)[self.instruction // 2]
        line, end_line, column, end_column = positions
        first = line or code.co_firstlineno
        ends = end_line or first, column or 0, end_column or 0
        return Place(self.file, first, *ends, code.co_name)


def arguments_of(code: CodeType) -> tuple[str, ...]:
    """Return the names of a function's arguments."""
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


Chain = tuple[Call, ...]
"""The calls that led to an operation, the innermost first."""


@lru_cache(maxsize=4096)
def _positions(
    lines: bytes, code: CodeType
) -> tuple[tuple[int | None, int | None, int | None, int | None], ...]:
    return tuple(code.co_positions())


def is_followed(filename: str) -> bool:
    """Whether the functions of a file are traced: the user's, and those of `gradcheck.MLP`."""
    return is_users_file(filename) or filename.startswith(NETWORK)


def run_function(function: object, *arguments: object) -> object:
    """Call a user's function; chains of calls end at this frame."""
    return function(*arguments)  # type: ignore[operator]  # checked by whoever traces it


_END = run_function.__code__

MAY_BE_RESUMED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

_calls: dict[tuple[int, int], tuple[CodeType, Call | None]] = {}
"""By the id of a code, which they keep alive, and the instruction; None if not the user's."""

MOST_CALLS = 2**17


def _call_at(frame: FrameType) -> Call | None:
    """Return the call that a frame carries out; None if it is not one of the user's."""
    cached = _calls.get((id(frame.f_code), frame.f_lasti))
    return _call(frame.f_code, frame.f_lasti) if cached is None else cached[1]


def _call(code: CodeType, instruction: int) -> Call | None:
    if len(_calls) > MOST_CALLS:
        _calls.clear()
    call = Call(code, instruction, code.co_filename) if is_users_file(code.co_filename) else None
    _calls[id(code), instruction] = code, call
    return call


@lru_cache(maxsize=4096)
def _is_library(filename: str) -> bool:
    """Whether a file, known not to be the user's, belongs to a library other than numpy."""
    return not filename.startswith((TRACE, str(NUMPY), "<"))


Called = tuple[Chain, int, tuple[int, ...]]
"""The user's calls that lead to an operation, innermost first, the id of the innermost frame, and
how far a library has come: its instructions in each frame, outermost first."""

NOWHERE: Called = ((), 0, ())


class Calls:
    """The calls that lead to the operations of a tape.

    The callers of a function stay where they are while it runs, so they are looked up once for each
    run; those of a generator do not.
    """

    def __init__(self) -> None:
        self._run: tuple[FrameType | None, Chain] = (None, ())

    def here(self) -> Called:
        """Return the calls that lead to the operation that is carried out."""
        frame: FrameType | None = sys._getframe(2)
        within: list[int] = []
        while frame is not None and frame.f_code is not _END:
            call = _call_at(frame)
            if call is not None:
                return (call, *self.callers_of(frame)), id(frame), tuple(reversed(within))
            if _is_library(frame.f_code.co_filename):
                within.append(frame.f_lasti)
            frame = frame.f_back
        return (), 0, tuple(reversed(within))

    def callers_of(self, frame: FrameType) -> Chain:
        """Return the user's calls that lead to the function of a frame."""
        last, callers = self._run
        if frame is last:
            return callers
        found: list[Call] = []
        caller = frame.f_back
        while caller is not None and caller.f_code is not _END:
            call = _call_at(caller)
            if call is not None:
                found.append(call)
            caller = caller.f_back
        if not frame.f_code.co_flags & MAY_BE_RESUMED:
            self._run = frame, tuple(found)
        return tuple(found)
