"""What the functions that a gradient reaches assign and return, read with `ast`; nothing is run."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gradcheck.diagnose.reached import reached_functions
from gradcheck.user.calls import Location
from gradcheck.user.problem import Problem

PRODUCTS = {"dot", "matmul", "outer", "einsum", "multiply"}
EMPTY = {"zeros", "zeros_like", "empty", "empty_like"}


@dataclass(frozen=True)
class Assignment:
    """One place where something is assigned.

    Attributes:
        location: the file and line.
        target: what is assigned to.
        value: the expression.
        updates: whether it is `+=`, `-=`, `*=` and the like.
        function: the name of the function that it is in.
    """

    location: Location
    target: ast.expr
    value: ast.expr
    updates: bool
    function: str

    @property
    def is_empty(self) -> bool:
        """Whether it only makes room for a gradient: `np.zeros_like(W)`, `None`, `{}`."""
        value = self.value
        if isinstance(value, ast.Constant):
            return True
        if isinstance(value, ast.Dict | ast.List):
            return not ast.unparse(value).strip("{}[] ")
        return isinstance(value, ast.Call) and _called(value) in EMPTY

    @property
    def is_product(self) -> bool:
        """Whether delta can be made there: a product, or an update by one."""
        return self.updates or any(
            isinstance(node, ast.BinOp) or (isinstance(node, ast.Call) and node.args)
            for node in ast.walk(self.value)
        )

    @property
    def is_matrix_product(self) -> bool:
        """Whether matrices are multiplied there."""
        return any(
            (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult))
            or (isinstance(node, ast.Call) and _called(node) in PRODUCTS)
            for node in ast.walk(self.value)
        )


@dataclass(frozen=True)
class Return:
    """One return statement: its file and line, its value, and the name of its function."""

    location: Location
    value: ast.expr
    function: str


@dataclass(frozen=True)
class Code:
    """All that the functions assign and return."""

    assignments: tuple[Assignment, ...]
    returns: tuple[Return, ...]

    @classmethod
    def of(cls, problem: Problem) -> Code:
        """The code that the gradient of a problem reaches."""
        assignments: list[Assignment] = []
        returns: list[Return] = []
        for function in reached_functions(problem):
            name, file = function.__name__, function.__code__.co_filename
            for line, node in _nodes(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    location = Location(file, line + node.lineno)
                    returns.append(Return(location, node.value, name))
                for target, value, updates in _assigned(node):
                    location = Location(file, line + target.lineno)
                    assignments.append(Assignment(location, target, value, updates, name))
        return cls(tuple(assignments), tuple(returns))

    def last(self, name: str, function: str, line: int) -> Assignment | None:
        """The last assignment of a name in a function, down to a line."""
        before = [
            one
            for one in self.assignments
            if one.function == function
            and ast.unparse(one.target) == name
            and one.location.line <= line
        ]
        return before[-1] if before else None


def names_in(value: ast.expr) -> set[str]:
    """The names, attributes and items that an expression reads: `dZ2`, `self.delta`, `c["dZ2"]`."""
    return {
        ast.unparse(node)
        for node in ast.walk(value)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
    }


def only(assignments: Sequence[Assignment]) -> Assignment | None:
    """The one assignment; of several in one function, the only one that is no update."""
    if len({one.function for one in assignments}) > 1:
        return None
    plain = [one for one in assignments if not one.updates]
    if len(plain) == 1:
        return plain[0]
    return assignments[0] if len(assignments) == 1 else None


def _nodes(function: Any) -> Iterator[tuple[int, ast.AST]]:
    """The nodes of a function's source, with the number of lines before it in its file."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        yield first - 1, node


def _assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, bool]]:
    """What a statement assigns: (target, value, whether it updates)."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple | ast.List):
                values = (
                    node.value.elts
                    if isinstance(node.value, ast.Tuple | ast.List)
                    and len(node.value.elts) == len(target.elts)
                    else [node.value] * len(target.elts)
                )
                for inner, value in zip(target.elts, values, strict=True):
                    yield inner, value, False
            else:
                yield target, node.value, False
    elif isinstance(node, ast.AugAssign):
        yield node.target, node.value, True
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value, False


def _called(call: ast.Call) -> str:
    """The last name of what is called: `dot` of `np.dot`."""
    return ast.unparse(call.func).rpartition(".")[2]
