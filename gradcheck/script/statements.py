"""Which variables the statements of a script set and read, in their order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeGuard

from gradcheck.mending.pieces import lines_of
from gradcheck.script.named import GRADIENTS
from gradcheck.script.state import Path, bare
from gradcheck.script.updates import has_rate, is_update, last_term
from gradcheck.script.words import calls_in, may_be_loss, name_of, names_in, names_read

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
DEFINITIONS = (*SCOPES, ast.Import, ast.ImportFrom)
BACKWARD = re.compile(r"(?i)back|grad")
SIZES = ("shape", "size", "ndim", "dtype")
FILLING = ("append", "extend", "insert", "reverse", "fill")
"""Methods that change the list or the array that they belong to."""
WHOLE = ""
"""Stands for the key of an item that only running the script tells."""

Target = tuple[str, Any]
"""A variable that is set, and which of its attributes or items; None if all of it is."""


@dataclass(frozen=True)
class Statement:
    """One statement at the top of a script.

    Attributes:
        node: its syntax tree.
        targets: what it sets.
        reads: the names of the variables whose values it reads, in functions that it calls too.
        updates: whether it updates a variable.
    """

    node: ast.stmt
    targets: frozenset[Target]
    reads: frozenset[str]
    updates: bool

    @property
    def items(self) -> set[str]:
        """The names in a list, tuple or dict that it makes: `params = [W1, W2]`."""
        match self.node:
            case ast.Assign([ast.Name()], ast.List(parts) | ast.Tuple(parts) | ast.Dict(_, parts)):
                names = {one.id for one in parts if isinstance(one, ast.Name)}
                return names if len(names) == len(parts) else set()
        return set()

    @property
    def goes_back(self) -> bool:
        """Whether it calls a backward pass."""
        return any(BACKWARD.search(name) for name in calls_in(self.node))

    @property
    def losses(self) -> set[str]:
        """The names of losses that it sets."""
        return set(filter(may_be_loss, self.names))

    @property
    def has_loss(self) -> bool:
        """Whether it sets or calls what is named as a loss."""
        return bool(self.losses) or any(map(may_be_loss, calls_in(self.node)))

    def is_update_by(self, updating: set[str]) -> bool:
        """Whether it updates a variable, perhaps by one of these functions."""
        return self.updates or bool(calls_in(self.node) & updating)

    def updated(self, updating: set[str]) -> set[str]:
        """The names of the variables that it may update: those that it moves, or hands on."""
        names = set[str]()
        for one in ast.walk(self.node):
            match one:
                case ast.Call() if name_of(one.func) in updating:
                    names |= names_in(one)
                case ast.For() if any(map(_is_step, ast.walk(one))):
                    names |= names_in(one.target) | names_in(one.iter)
                case ast.AugAssign(target) if _is_step(one):
                    names |= {name for name, _ in _targets(target)}
                case ast.Assign(targets, value) if _is_step(one):
                    names |= {name for target in targets for name, _ in _targets(target)}
                    names |= names_in(value.left) if isinstance(value, ast.BinOp) else set()
        return names

    @property
    def names(self) -> set[str]:
        """The names of the variables that it sets, or a part of."""
        return {name for name, _ in self.targets}

    def sets(self, path: Path) -> bool:
        """Whether it sets what is at a path, and does not update it."""
        steps = tuple(map(bare, path[1:]))
        own = [part for name, part in self.targets if name == steps[0]]
        return not self.updates and any(part in (None, WHOLE, *steps[1:2]) for part in own)


def statements_of(tree: ast.Module) -> list[Statement]:
    """Return the statements of a script that are carried out, without definitions and imports."""
    called = _read_in_functions(tree)
    return [
        Statement(
            node,
            frozenset(_targets(node)),
            _with_called(frozenset(_reads(node)), called),
            any(map(is_update, ast.walk(node))),
        )
        for node in lines_of(tree)
        if not isinstance(node, DEFINITIONS)
    ]


def depend(statements: Sequence[Statement], first: int, last: int, name: str) -> bool:
    """Whether the statement `last` sets what depends on the variable `name` as set at `first`."""
    reached = {name}
    for one in statements[first + 1 : last]:
        if reached & one.reads:
            reached |= one.names
    return bool(reached & statements[last].reads)


def opened(tree: ast.Module) -> ast.Module | None:
    """Return a script with the body of the function that it ends with, in place of the call.

    None if it does not end with such a call without arguments, `main()` or `sys.exit(main())`.
    """
    statements = list(lines_of(tree))
    match statements[-1] if statements else None:
        case (
            ast.Expr(ast.Call(ast.Name(name), [], []))
            | ast.Expr(ast.Call(_, [ast.Call(ast.Name(name), [], [])], []))
            | ast.Raise(ast.Call(_, [ast.Call(ast.Name(name), [], [])], []))
        ):
            functions = [one for one in statements if _is_plain(one, name)]
        case _:
            return None
    body = [*_defaults(functions[-1]), *functions[-1].body] if functions else []
    kept = [one for one in body if not isinstance(one, ast.Global | ast.Return)]
    rest = [one for one in statements[:-1] if one not in functions]
    return ast.Module([*rest, *kept], []) if kept else None


def _defaults(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return statements that give the arguments of a function their defaults."""
    own = function.args
    pairs = zip([*own.posonlyargs, *own.args][::-1], own.defaults[::-1], strict=False)
    return [
        ast.fix_missing_locations(
            ast.copy_location(ast.Assign([ast.Name(one.arg, ast.Store())], value), value)
        )
        for one, value in pairs
    ]


def _is_step(node: ast.AST) -> bool:
    """Whether a statement moves something by a rate, or by a gradient: no `scores -= maximum`."""
    if not isinstance(node, ast.Assign | ast.AugAssign) or not is_update(node):
        return False
    change = node.value if isinstance(node, ast.AugAssign) else last_term(node.value)
    named = (name_of(one) for one in ast.walk(change or node.value))
    return has_rate(change or node.value) or any(GRADIENTS.search(name) for name in named)


def _is_plain(node: ast.stmt, name: str) -> TypeGuard[ast.FunctionDef]:
    """Whether a statement defines a function of that name that returns at its end, if at all."""
    if not isinstance(node, ast.FunctionDef) or node.name != name:
        return False
    return not any(
        isinstance(part, ast.Return | ast.Yield | ast.YieldFrom | ast.Nonlocal)
        for one in node.body
        for part in _own_parts(one)
        if part is not node.body[-1]
    )


def _own_parts(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through a statement, but not into the functions and classes that it defines."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*SCOPES, ast.Lambda)):
            yield from _own_parts(child)


def _targets(node: ast.AST) -> Iterator[Target]:
    for part in _own_parts(node):
        match part:
            case ast.Name(name, ast.Store() | ast.Del()):
                yield name, None
            case ast.Subscript(ast.Name(name), key, ast.Store()):
                yield name, key.value if isinstance(key, ast.Constant) else WHOLE
            case ast.Attribute(ast.Name(name), attribute, ast.Store()):
                yield name, attribute
            case ast.Call(ast.Attribute(ast.Name(name), method)) if method in FILLING:
                yield name, WHOLE
            case ast.Call(ast.Attribute(_, "at"), [ast.Name(name), *_]):  # np.add.at(dE, rows, d)
                yield name, WHOLE


def _reads(node: ast.AST) -> Iterator[str]:
    """Return the names that are read, other than for a size."""
    return names_read(node, _is_of_a_size)


def _is_of_a_size(node: ast.AST) -> bool:
    """Whether a node reads the size of something alone, or when it is called at the earliest."""
    match node:
        case ast.Attribute(_, name):
            return name in SIZES
        case ast.Call(ast.Name(name)):
            return name == "len"
    return isinstance(node, ast.Lambda)


def _read_in_functions(tree: ast.Module) -> Mapping[str, Set[str]]:
    """Return the variables around it that each function or class of a script reads."""
    read: dict[str, Set[str]] = {}
    for node in tree.body:
        if isinstance(node, SCOPES):
            own = {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
            own |= {name for one in ast.walk(node) for name, part in _targets(one) if part is None}
            read[node.name] = frozenset(_reads(node)) - own
    return read


def _with_called(names: frozenset[str], called: Mapping[str, Set[str]]) -> frozenset[str]:
    """Return the names, and those that the functions among them read."""
    more = names.union(*(called.get(name, ()) for name in names))
    return names if more == names else _with_called(more, called)
