"""Where in the user's source a gradient, or the delta it is made from, is assigned.

Nothing is run here: the functions that the gradient reaches are read with `ast`, and a line is only
given where one assignment alone fits.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradcheck.diagnose.reached import reached_functions
from gradcheck.user.blocks import Leaf
from gradcheck.user.calls import Location
from gradcheck.user.names import derived_names
from gradcheck.user.objects import Position
from gradcheck.user.problem import Problem

PRODUCTS = {"dot", "matmul", "outer", "einsum", "multiply"}
LIBRARIES = {"np", "numpy", "self", "math", "len", "range", "sum"}


@dataclass(frozen=True)
class Assignment:
    """One place where something is assigned.

    Attributes:
        location: the file and line.
        target: what is assigned to.
        value: the expression, or None in a loop's target.
        updates: whether it is `+=`, `-=`, `*=` and the like.
        function: the name of the function that it is in.
    """

    location: Location
    target: ast.expr
    value: ast.expr | None
    updates: bool
    function: str


class Sources:
    """The user's functions that their gradient reaches, read once."""

    def __init__(self, problem: Problem) -> None:
        self.assignments: list[Assignment] = []
        self.returns: list[tuple[Location, ast.expr, str]] = []
        self.order = _order(problem)
        self.counts = Counter(leaf.path[:-1] for leaf in problem.parameters.leaves)
        for function in reached_functions(problem):
            self._read(function)

    def _read(self, function: Any) -> None:
        code = function.__code__
        try:
            lines, first = inspect.getsourcelines(function)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError, ValueError):
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Return) and node.value is not None:
                place = Location(code.co_filename, first + node.lineno - 1)
                self.returns.append((place, node.value, function.__name__))
            for target, value, updates in _assigned(node):
                place = Location(code.co_filename, first + target.lineno - 1)
                self.assignments.append(
                    Assignment(place, target, value, updates, function.__name__)
                )

    def of_gradient(
        self, leaf: Leaf, update: bool = False, penalty: bool = False
    ) -> Assignment | None:
        """Where the gradient of a block is assigned, if that is certain.

        Args:
            leaf: the place of the block.
            update: the block itself is what is assigned, as in a step.
            penalty: something is added to the gradient there.
        """
        names = _gradient_names(leaf)
        count = self.counts[leaf.path[:-1]]
        found = [
            one
            for one in self.assignments
            if (_matches(one.target, leaf, names, count) and not _is_empty(one.value))
            or (update and one.updates and _matches(one.target, leaf, _own_names(leaf), count))
        ]
        exact = [one for one in found if not _is_in_loop(one.target)]
        found = exact or found
        updates = [one for one in found if one.updates]
        if penalty and len(updates) == 1:
            return updates[0]
        if update:
            found = updates or found
        return _only(found) or self._returned(leaf, names)

    def of_delta(self, weight: Leaf, bias: Leaf | None) -> Assignment | None:
        """Where the delta is assigned that makes the gradients of a layer."""
        product = self.of_gradient(weight)
        if product is None or product.value is None:
            return None
        names = _names_in(product.value)
        total = None if bias is None else self.of_gradient(bias)
        if total is not None and total.value is not None:
            names &= _names_in(total.value)
        return self._made_from(names, product)

    def of_upstream(self, delta: Assignment) -> Assignment:
        """Where what arrives at a layer is assigned, if not in the line of its delta."""
        if delta.value is None:
            return delta
        deeper = self._made_from(_names_in(delta.value), delta, only_matrix=True)
        return delta if deeper is None or deeper.location == delta.location else deeper

    def _made_from(
        self, names: set[str], used: Assignment, only_matrix: bool = False
    ) -> Assignment | None:
        """The one assignment of these names before a line that makes a product."""
        candidates = [
            _only(self._assigned_in(name, used.function, used.location.line))
            for name in names - LIBRARIES
        ]
        found = [one for one in candidates if one is not None and one.value is not None]
        if only_matrix:
            best = [one for one in found if _is_matrix_product(one)]
        else:
            best = [one for one in found if _is_product(one)] or found
        return best[0] if len(best) == 1 else None

    def _assigned_in(self, name: str, function: str, line: int) -> list[Assignment]:
        """The last assignment of a name before a line of its function."""
        before = [
            one
            for one in self.assignments
            if one.function == function
            and ast.unparse(one.target) == name
            and one.location.line <= line
        ]
        return before[-1:]

    def _is_operand(self, name: str, returned: ast.expr) -> bool:
        """Whether what is returned under a name is used to make other things as well."""
        items = [returned, *(one.value for one in self.assignments if one.value is not None)]
        expressions = [
            node
            for item in items
            for node in ast.walk(item)
            if isinstance(node, ast.BinOp | ast.Call) and ast.unparse(item) != name
        ]
        return any(
            name in _names_in(node)
            for node in expressions
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "dict")
        )

    def _in_order(self, value: ast.expr, leaf: Leaf) -> ast.expr | None:
        """The part of a returned tuple at the block's own place."""
        if self.order == [*leaf.path] and not isinstance(value, ast.Tuple | ast.List | ast.Dict):
            return value
        if not isinstance(value, ast.Tuple | ast.List) or len(value.elts) != len(self.order):
            return None
        if not leaf.path or leaf.path[0] not in self.order or len(self.order) < 2:
            return None
        element = value.elts[self.order.index(leaf.path[0])]
        for step in leaf.path[1:]:
            if not isinstance(step, Position) or not isinstance(element, ast.Tuple | ast.List):
                return None
            if step.index >= len(element.elts):
                return None
            element = element.elts[step.index]
        return element

    def _returned(self, leaf: Leaf, names: set[str]) -> Assignment | None:
        """The gradient in a returned dict, or at its place in a returned tuple."""
        found = []
        for place, value, function in self.returns:
            if isinstance(value, ast.Name):
                made = _only(self._assigned_in(value.id, function, place.line))
                if made is not None and made.value is not None:
                    place, value = made.location, made.value
            element = _element(value, leaf, names) or self._in_order(value, leaf)
            if element is None:
                continue
            if isinstance(element, ast.Name | ast.Attribute | ast.Subscript):
                name = ast.unparse(element)
                if isinstance(value, ast.Dict | ast.Call) and self._is_operand(name, value):
                    name = ""  # a delta that stands there: the item is the line
                assigned = _only(self._assigned_in(name, function, place.line))
                if assigned is not None:
                    found.append(assigned)
                    continue
            line = place.line + element.lineno - value.lineno
            location = Location(place.file, line)
            found.append(Assignment(location, element, element, False, function))
        return found[0] if len(found) == 1 else None


def _order(problem: Problem) -> list[Any]:
    """What a returned tuple holds gradients of: a layer's inputs, or the items of a list."""
    if problem.layer is not None:
        return list(problem.layer.names)
    return list(dict.fromkeys(leaf.path[0] for leaf in problem.parameters.leaves if leaf.path))


def _assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None, bool]]:
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


def _gradient_names(leaf: Leaf) -> set[str]:
    """What the gradient of a block may be called: `dW1`, `W1_grad`."""
    base = _own_names(leaf)
    return {derived for name in base for derived in derived_names(name)}


def _own_names(leaf: Leaf) -> set[str]:
    texts = [step for step in leaf.path if isinstance(step, str)]
    return {*(texts[-1:]), *({leaf.name} if leaf.name.isidentifier() else set())}


def _matches(target: ast.expr, leaf: Leaf, names: set[str], count: int) -> bool:
    """Whether an assignment's target is the gradient of a block, one of so many in its list."""
    if leaf.path and isinstance(leaf.path[-1], Position):
        if not isinstance(target, ast.Subscript) or _identifier(target.value) not in names:
            return False
        index = _constant(target.slice)
        position = leaf.path[-1].index
        return index is None or index in (position, position - count)
    key = _constant_key(target)
    if key is not None:
        return key in names or key in _own_names(leaf)
    return _identifier(target) in names


def _constant(index: ast.expr) -> object:
    """The value of an index that is written out, or None."""
    try:
        return ast.literal_eval(index)
    except ValueError:
        return None


def _is_in_loop(target: ast.expr) -> bool:
    """Whether the item that is assigned depends on a variable: `dw[i]`."""
    return isinstance(target, ast.Subscript) and _constant(target.slice) is None


def _constant_key(target: ast.expr) -> str | None:
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        value = target.slice.value
        return value if isinstance(value, str) else None
    return None


def _identifier(target: ast.expr) -> str | None:
    if isinstance(target, ast.Name):
        return target.id
    return target.attr if isinstance(target, ast.Attribute) else None


def _element(value: ast.expr, leaf: Leaf, names: set[str]) -> ast.expr | None:
    """The part of a returned expression that is a block's gradient."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "dict" and not value.args:
        keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in value.keywords]
        value = ast.Dict(keys, [keyword.value for keyword in value.keywords])
    if isinstance(value, ast.Dict):
        wanted = names | _own_names(leaf)
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in wanted:
                inner = [step for step in leaf.path if isinstance(step, Position)]
                if inner and isinstance(item, ast.List | ast.Tuple):
                    return item.elts[inner[-1].index] if inner[-1].index < len(item.elts) else None
                return None if inner else item
    return None


def _is_empty(value: ast.expr | None) -> bool:
    """Whether a value is only the space for a gradient: `np.zeros_like(W)`, `None`, `{}`."""
    if value is None or isinstance(value, ast.Constant):
        return True
    if isinstance(value, ast.Dict | ast.List) and not ast.unparse(value).strip("{}[] "):
        return True
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in (
        "zeros",
        "zeros_like",
        "empty",
        "empty_like",
    )


def _is_product(assignment: Assignment) -> bool:
    """Whether delta can be made there: a product, or an update by one."""
    if assignment.updates:
        return True
    return any(
        isinstance(node, ast.BinOp) or (isinstance(node, ast.Call) and node.args)
        for node in ast.walk(assignment.value or assignment.target)
    )


def _is_matrix_product(assignment: Assignment) -> bool:
    """Whether matrices are multiplied there."""
    return any(
        (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult))
        or (isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in PRODUCTS)
        for node in ast.walk(assignment.value or assignment.target)
    )


def _names_in(value: ast.expr) -> set[str]:
    """The names, attributes and items that an expression reads: `dZ2`, `self.delta`, `c["dZ2"]`."""
    return {
        ast.unparse(node)
        for node in ast.walk(value)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
    }


def _only(found: list[Assignment]) -> Assignment | None:
    """The one assignment; of several in one function, the first that is no update."""
    if len({one.function for one in found}) > 1:
        return None
    plain = [one for one in found if not one.updates]
    if len(plain) == 1:
        return plain[0]
    return found[0] if len(found) == 1 else None
