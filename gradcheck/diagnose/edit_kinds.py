"""The kinds of edits that mend a line of source; a rule says which of them would mend its bug."""

from __future__ import annotations

from enum import Enum, auto


class EditKind(Enum):
    """A kind of edit; `gradcheck.mending.edits` makes all edits of a kind in a function."""

    SCALE = auto()
    SIGN = auto()
    REMOVED_FACTOR = auto()
    TRANSPOSE = auto()
    AXIS = auto()
    SUM = auto()
    COMPARISON = auto()
    FLAG = auto()
    ASSIGNED_OR_ADDED = auto()
    PRODUCT = auto()
    NAME = auto()
    FUNCTION = auto()
    LIBRARY_FUNCTION = auto()
    INDEX = auto()
    POWER = auto()
    COLUMN = auto()
    CONSTANT = auto()
    MISSING_SLOPE = auto()
    MISSING_PENALTY = auto()
    MOVED_STATEMENT = auto()
    WRAPPED = auto()
    ALL_OF_A_NAME = auto()
    TEXT = auto()
    REVERSED_LOOP = auto()
    KEPT_RESULT = auto()
    MISSING_WEIGHTS = auto()
