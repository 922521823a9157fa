"""The user's functions when they run: which do, and the kinds and shapes of their values."""

from __future__ import annotations

import ast
import contextlib
import gc
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from gradcheck.mending.marks import OWN
from gradcheck.user.calls import LEAVING, is_users_file
from gradcheck.user.objects import is_object
from gradcheck.user.tensors import is_tensor, to_array

Watch = Callable[[FrameType, str, Any], object]
"""A function of a frame, an event and its argument, as `sys.setprofile` calls it."""

MOST_KEYS = 60

PURE = re.compile(
    r"abs|arctan|clip|concatenate|conj|conjugate|convolve|correlate|cos|cosh|cumsum|diff|dot|einsum|exp|expand_dims|hstack|log|"
    r"log1p|matmul|max|maximum|mean|min|minimum|multiply|outer|power|ravel|repeat|reshape|sign|"
    r"sin|sinh|sqrt|square|std|stack|sum|swapaxes|tan|tanh|tile|trace|transpose|var|vstack|"
    r"where"
)
"""Functions of numpy and methods of arrays that change nothing."""

OF_COMPREHENSION = "[{"
NOT_NUMBERS = ("list", "dict", "other")


def executed(run: Callable[[], object]) -> list[CodeType]:
    """Return the user's codes that run, in the order in which they begin; `run` may raise."""
    codes: dict[CodeType, None] = {}

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            codes[frame.f_code] = None

    run_watched(run, watch)
    return [code for code in codes if is_users_file(code.co_filename)]


def run_watched(run: Callable[[], object], watch: Watch, by_line: bool = False) -> None:
    """Run the user's code, whatever it raises, with a profile function, or one for every line."""
    now: Callable[[], Any] = sys.gettrace if by_line else sys.getprofile
    put: Callable[[Any], None] = sys.settrace if by_line else sys.setprofile
    before = now()
    put(watch)
    try:
        run()
    except LEAVING:  # the user's code may raise whatever it likes
        pass
    finally:
        if before is None or callable(before):
            put(before)
        else:  # cProfile's: an object that is not called
            before.enable()


def functions_of(codes: Iterable[CodeType]) -> dict[CodeType, list[FunctionType]]:
    """Return the existing functions with these codes: all closures that were made of one."""
    functions: dict[CodeType, list[FunctionType]] = {code: [] for code in codes}
    if functions:
        for function in gc.get_referrers(*functions):
            if isinstance(function, FunctionType) and function.__code__ in functions:
                functions[function.__code__].append(function)
    return functions


@dataclass(frozen=True)
class Value:
    """The kind of value that an expression had.

    Attributes:
        kind: "array", "int", "float", "list", "dict" or "other", as for a global that the function
            does not use; numpy's scalars are floats, and a tuple is a list.
        shape: the shape of an array, or the length of a list.
        number: the value of an int or float.
        is_complex: whether an array is complex.
    """

    kind: str
    shape: tuple[int, ...] = ()
    number: float = 0.0
    is_complex: bool = False


Values = Mapping[str, Value]
"""The values of expressions, by their text."""


def observe(
    codes: Mapping[CodeType, Sequence[str]],
    run: Callable[[], object],
    in_loops: Mapping[CodeType, Mapping[int, Sequence[str]]],
) -> dict[CodeType, dict[str, Value]]:
    """Return the values of expressions at the end of functions, from the last run of each.

    `codes` has the texts of the expressions in each function's code. Those of `in_loops`, by line,
    are asked before that line is run: after the loop, its counter may count something else.
    Exceptions of `run` are ignored.
    """
    values: dict[CodeType, dict[str, Value]] = {}
    times = {(code, line): 0 for code, lines in in_loops.items() for line in lines}
    early: dict[CodeType, dict[str, Value]] = {code: {} for code in codes}

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code not in codes:
            return None
        line = code, frame.f_lineno
        if event == "line" and line in times:
            times[line] += 1
            if times[line].bit_count() == 1:  # not each time, as that would take long
                early[code] |= _asked(frame, in_loops[code][frame.f_lineno])
        elif event == "return":
            values[code] = _values(frame, codes[code]) | early[code]
        return watch

    run_watched(run, watch, by_line=bool(times))
    return values


def _asked(frame: FrameType, texts: Sequence[str]) -> dict[str, Value]:
    """Return the values of expressions that a line of the user's is about to evaluate itself."""
    values: dict[str, Value] = {}
    for text in texts:
        with contextlib.suppress(Exception):
            value = value_of(eval(text, frame.f_globals, frame.f_locals))
            values |= {text: value} if value is not None else {}
    return values


def _values(frame: FrameType, texts: Sequence[str]) -> dict[str, Value]:
    names = {one: value for one, value in frame.f_locals.items() if not one.startswith(OWN)}
    for text in texts:
        if text.startswith(OF_COMPREHENSION):
            with contextlib.suppress(Exception):  # it has no values at this place
                names |= eval(text, frame.f_globals, names)[-1]
    values = {}
    for text in dict.fromkeys([*texts, *names, *inside(names)]):
        try:
            # an expression of the user's own function, which it has just evaluated itself
            result = names[text] if text in names else eval(text, frame.f_globals, names)
        except LEAVING:  # it has no value at this place
            continue
        value = value_of(result)
        if value is not None or text in names:
            values[text] = value or Value("other")
    for name, result in frame.f_globals.items():
        value = value_of(result) if name not in values and not name.startswith("_") else None
        if value is not None:
            values[name] = Value("other", value.shape, value.number)
    return values


def value_of(result: Any) -> Value | None:
    """Return the kind and shape of an array or number; None for anything else."""
    if isinstance(result, bool | np.bool_):
        return None
    result = result if not is_tensor(result) else to_array(result)
    if isinstance(result, np.ndarray) and result.dtype.kind in "fiub":
        return Value("array", result.shape)
    if isinstance(result, np.ndarray | np.complexfloating) and result.dtype.kind == "c":
        return Value("array", result.shape, is_complex=True)
    if isinstance(result, int | np.integer):
        return Value("int", (), float(result))
    if isinstance(result, float | np.floating):
        return Value("float", (), float(result))
    if isinstance(result, list | tuple):
        return Value("list", (len(result),))
    if isinstance(result, dict):
        return Value("dict")
    return None


def inside(names: Mapping[str, Any]) -> list[str]:
    """Return the items of dicts, and the attributes of the user's objects, as expressions."""
    texts: list[str] = []
    for name, value in names.items():
        if isinstance(value, dict) and len(value) <= MOST_KEYS:
            texts += [f"{name}[{key!r}]".replace("'", '"') for key in value if isinstance(key, str)]
        elif is_object(value) and hasattr(value, "__dict__"):
            keys = [key for key in list(vars(value))[:MOST_KEYS] if key.isidentifier()]
            of_class = vars(type(value)).items()
            keys += [key for key, one in of_class if key not in keys and value_of(one) is not None]
            texts += [f"{name}.{key}" for key in keys]
            held = {f"{name}.{key}": one for key, one in vars(value).items()}
            texts += inside({text: one for text, one in held.items() if isinstance(one, dict)})
    return texts


def expressions(node: ast.AST) -> list[str]:
    """Return the texts of the expressions in a tree that have a value, after `_variables`."""
    nodes = [one for one in ast.walk(node) if not isinstance(one, ast.Lambda)]
    return [
        *(text for one in nodes for text in _variables(one)),
        *(ast.unparse(one) for one in nodes if _can_be_asked(one)),
    ]


def in_loops(definition: ast.AST) -> dict[int, list[str]]:
    """Return the texts of expressions with items at the count of a loop, by their lines."""
    loops = [one for one in ast.walk(definition) if isinstance(one, ast.For)]
    counts = {
        one.id for loop in loops for one in ast.walk(loop.target) if isinstance(one, ast.Name)
    }
    simple = ast.Assign | ast.AugAssign | ast.Expr
    inside = [one for loop in loops for one in ast.walk(loop) if isinstance(one, simple)]
    texts: dict[int, list[str]] = {}
    for statement in dict.fromkeys(inside):
        for node in ast.walk(statement):
            items = [one for one in ast.walk(node) if isinstance(one, ast.Subscript)]
            parts = [one for item in items for one in ast.walk(item.slice)]
            counted = any(isinstance(one, ast.Name) and one.id in counts for one in parts)
            if counted and _can_be_asked(node):
                texts.setdefault(statement.lineno, []).append(ast.unparse(node))
    return texts


def _can_be_asked(node: ast.AST) -> bool:
    """True if a node has a value, which is the same when it is evaluated again."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return True
    if not isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call):
        return False
    calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
    return all(
        (isinstance(one, ast.Attribute) and PURE.fullmatch(one.attr))
        or (isinstance(one, ast.Name) and one.id == "len")
        for one in calls
    )


def _variables(node: ast.AST) -> Iterator[str]:
    """Yield the text of a list of all values that a comprehension's variables take, as dicts."""
    if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
        targets = [name for one in node.generators for name in ast.walk(one.target)]
        names = [one.id for one in targets if isinstance(one, ast.Name)]
        pairs = ", ".join(f"{name!r}: {name}" for name in names)
        loops = " ".join(map(ast.unparse, node.generators))
        yield f"{OF_COMPREHENSION}{pairs}}} {loops}]"


def unread_in(definition: ast.AST) -> frozenset[str]:
    """Return the names that a function makes and never reads: another may stand for one."""
    names = [one for one in ast.walk(definition) if isinstance(one, ast.Name)]
    read = {one.id for one in names if isinstance(one.ctx, ast.Load)}
    return frozenset(one.id for one in names) - read


def moved_by(piece: ast.AST) -> set[str]:
    """Return the names that a script's loop moves, such as its epochs; none for a function."""
    target = getattr(piece, "target", None)
    return {ast.unparse(one) for one in ast.walk(target)} if target else set()
