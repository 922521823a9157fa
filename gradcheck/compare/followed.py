"""Asking the trace about the functions of a point: quick enough ones, with everything put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gradcheck.compare.point import Point
from gradcheck.errors import OutOfTimeError
from gradcheck.trace import FORGIVEN, Subject, subject_of_problem

Said = TypeVar("Said")

MOST_PARAMETERS = 2 * 10**6
SLOWEST = 0.2
"""A loss that takes longer, in seconds, is not followed: a trace takes many times as long."""


def unfollowable(point: Point) -> str:
    """Why the functions at a point are not followed; empty where they can be."""
    problem = point.problem
    if not problem.layered and problem.layer is None and problem.tangents is None:
        return "the blocks are not the arrays that the functions compute with"
    size = sum(block.size for block in point.blocks)
    if size > MOST_PARAMETERS or point.noise.seconds > SLOWEST:
        return "the loss takes too long to be followed"
    return ""


def ask_trace(
    point: Point, ask: Callable[[Subject], Said], otherwise: Callable[[str], Said]
) -> Said:
    """What the trace says of the functions of a point."""
    reason = unfollowable(point)
    if reason:
        return otherwise(reason)
    try:
        return ask(subject_of_problem(point.problem))
    except FORGIVEN as error:
        return otherwise(f"following it raised {type(error).__name__}")
    except OutOfTimeError:
        return otherwise("following it takes too long")
    finally:
        point.problem.parameters.restore()
