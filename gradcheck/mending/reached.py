"""The user's functions that their gradient reaches, as far as names tell."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

from gradcheck.user.calls import is_users_file
from gradcheck.user.objects import is_object
from gradcheck.user.problem import Problem

DEPTH = 6


def reached_functions(problem: Problem, of_loss: bool = False) -> list[Any]:
    """The functions that the gradient calls or refers to, and their owners' methods; runs none.

    Args:
        problem: what is checked.
        of_loss: those of the loss instead.
    """
    function = problem.gradient_function
    if problem.step is not None:
        function = problem.step.step
    elif problem.layer is not None:
        function = problem.layer.backward
    if of_loss or function is None:
        function = problem.loss_function
    seen: set[int] = set()
    reached = list(_reached(function, DEPTH, seen))
    owned = objects_in(problem.parameters.owner, DEPTH)
    for one in reached:  # which grows while it is read
        for method in _named_methods(one, owned, seen):
            reached.append(method)
            for value in _used(method):  # what a decorator has wrapped, and helpers
                reached += _reached(value, DEPTH - 1, seen)
    return reached


def _reached(function: Any, depth: int, seen: set[int]) -> Iterator[Any]:
    """The user's functions that a function calls or refers to, as far as names tell."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.ismethod(function):
        yield from _methods(function.__self__, function.__func__, depth, seen)
        return
    if not inspect.isfunction(function):
        method = getattr(type(function), "__call__", None)  # noqa: B004  # not called: read
        if inspect.isfunction(method):
            yield from _methods(function, method, depth, seen)
        return
    if depth < 0 or id(function.__code__) in seen:
        return
    seen.add(id(function.__code__))
    if is_users_file(function.__code__.co_filename):
        yield function
    for value in _used(function):
        yield from _reached(value, depth - 1, seen)
        if not callable(value) and hasattr(value, "__dict__"):
            for name in function.__code__.co_names:
                method = getattr(type(value), name, None)
                if inspect.isfunction(method):
                    yield from _methods(value, method, depth - 1, seen)


def _methods(owner: Any, function: Any, depth: int, seen: set[int]) -> Iterator[Any]:
    """A method, and the methods of the same object that it names."""
    yield from _reached(function, depth, seen)
    for name in function.__code__.co_names:
        other = getattr(type(owner), name, None)
        if inspect.isfunction(other) and depth > 0 and id(other.__code__) not in seen:
            yield from _methods(owner, other, depth - 1, seen)


def _named_methods(function: Any, owned: list[Any], seen: set[int]) -> list[Any]:
    """The methods of the user's objects that a function names, and that were not read yet."""
    methods = []
    for name in function.__code__.co_names:
        for owner in owned:
            method = getattr(type(owner), name, None)
            if inspect.isfunction(method) and id(method.__code__) not in seen:
                seen.add(id(method.__code__))
                methods.append(method)
    return methods


def objects_in(value: Any, depth: int) -> list[Any]:
    """The user's own objects: the parameters' owner, and those in its lists and attributes."""
    if depth < 0:
        return []
    if isinstance(value, list | tuple):
        return [inner for item in value for inner in objects_in(item, depth - 1)]
    if not is_object(value):
        return []
    inner = (
        [one for item in vars(value).values() for one in objects_in(item, depth - 1)]
        if hasattr(value, "__dict__")
        else []
    )
    return [value, *inner]


def _used(function: Any) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield function.__globals__[name]
