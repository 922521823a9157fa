"""The user's source as text that can be edited: files, and the functions in them.

A function is known by its file and its place among the definitions there, which an edit of another
line does not change. Its code is replaced in the function object itself, so that every closure,
class and module that holds it sees the edit.
"""

from __future__ import annotations

import ast
import linecache
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from gradcheck.compare.point import Point
from gradcheck.mending.reached import reached_functions
from gradcheck.user.calls import cell_name
from gradcheck.user.names import derived_names
from gradcheck.user.problem import Problem

Definition = ast.FunctionDef | ast.AsyncFunctionDef

FACTORY = "_factory_of_the_function_"


class UnreadableError(Exception):
    """A function's source cannot be read, or is not what its code was made from."""


@dataclass(frozen=True)
class Function:
    """One function of the user's that may be edited.

    `names` are those of the definitions and classes that it is in, itself the last; `occurrence` is
    which of those with the same names it is, from 0.
    """

    function: Any
    path: str
    names: tuple[str, ...]
    occurrence: int

    def definition(self, tree: ast.Module) -> Definition:
        """Its definition in a file's tree.

        Raises:
            UnreadableError: it is not there.
        """
        same = [node for names, node in definitions(tree) if names == self.names]
        if len(same) <= self.occurrence:
            raise UnreadableError(f"{'.'.join(self.names)} is no longer in {self.path}")
        return same[self.occurrence]


def definitions(
    tree: ast.AST, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Definition]]:
    """All functions of a tree with the names that lead to them."""
    for node in ast.iter_child_nodes(tree):
        inner = names
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = (*names, node.name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inner, node
        yield from definitions(node, inner)


def read_source(path: str) -> bytes:
    """The text of a file; of a notebook's cell, which has none, as the notebook keeps it.

    Raises:
        OSError: there is none.
    """
    kept = linecache.getlines(path) if cell_name(path) else []
    return "".join(kept).encode() if kept else Path(path).read_bytes()


def editable_functions(problem: Problem) -> tuple[list[Function], list[str]]:
    """The functions that compute a gradient, and a sentence for each that cannot be edited."""
    functions: list[Function] = []
    refused: list[str] = []
    trees: dict[str, ast.Module] = {}
    for function in reached_functions(problem):
        code = function.__code__
        path = code.co_filename
        if function.__name__ == "<lambda>":
            continue  # what it calls may be edited
        try:
            if path not in trees:
                trees[path] = ast.parse(read_source(path))
            functions.append(_located(function, path, trees[path]))
        except (OSError, SyntaxError, ValueError):
            refused.append(f"the source of {function.__name__} cannot be read ({path})")
        except UnreadableError as error:
            refused.append(str(error))
    return functions, refused


def blocks_without_gradient(point: Point, functions: Sequence[Function]) -> frozenset[int]:
    """The blocks that no gradient is returned for, as far as the source says where it raises.

    Where it raises, a block is one of them if no text in the functions begins a name of its
    gradient; functions that the loss calls as well are left out.
    """
    shared = {function.__code__ for function in reached_functions(point.problem, of_loss=True)}
    codes = {function.function.__code__ for function in functions} - shared
    constants = [constant for code in codes for constant in code.co_consts]
    items = [item for one in constants for item in (one if isinstance(one, tuple) else (one,))]
    texts = tuple(item for item in items if isinstance(item, str) and item)
    without = set()
    for leaf in point.problem.parameters.leaves:
        if leaf.block is None or not leaf.path or not isinstance(leaf.path[0], str):
            continue
        verdict = point.blocks[leaf.block].verdict
        names = {leaf.path[0], *derived_names(leaf.path[0])}
        is_named = any(name.startswith(texts) for name in names)
        if verdict == "missing" or (verdict == "raised" and not is_named):
            without.add(leaf.block)
    return frozenset(without)


def _located(function: Any, path: str, tree: ast.Module) -> Function:
    same: dict[tuple[str, ...], int] = {}
    for names, node in definitions(tree):
        occurrence = same.get(names, 0)
        same[names] = occurrence + 1
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        if first == function.__code__.co_firstlineno and node.name == function.__name__:
            return Function(function, path, names, occurrence)
    raise UnreadableError(
        f"{path} was changed since {function.__name__} was imported, or made it in another way"
    )


def span(text: bytes, node: Definition) -> tuple[int, int]:
    """Where a definition's lines stand in its file, in bytes, the decorators left out."""
    starts = offsets(text)
    return starts[node.lineno - 1], starts[node.end_lineno or node.lineno]


def new_code(function: Function, definition: bytes) -> CodeType:
    """The code of a function as the lines of its definition have it.

    Raises:
        UnreadableError: they are no Python, or the function needs other variables of its
            surroundings than it has.
    """
    free = function.function.__code__.co_freevars
    try:
        own = textwrap.dedent(definition.decode("utf-8"))
        source = f"def {FACTORY}({', '.join(free)}):\n{textwrap.indent(own, ' ')}\n pass\n"
        if free:
            # mentioned again, so that a variable that an edit no longer uses keeps its cell
            source = _with_line(source, f"if 0: {', '.join(free)}")
        module = compile(source, function.path, "exec")
    except (SyntaxError, ValueError) as error:
        raise UnreadableError(str(error)) from None
    factory = next(one for one in module.co_consts if isinstance(one, CodeType))
    inner = [one for one in factory.co_consts if isinstance(one, CodeType)]
    code = next((one for one in inner if one.co_name == function.names[-1]), None)
    if code is None or code.co_freevars != free:
        raise UnreadableError("the function would need other variables of its surroundings")
    return code


def _with_line(source: str, line: str) -> str:
    """The source with a line as the first of the inner function's body."""
    tree = ast.parse(source)
    factory = tree.body[0]
    inner = factory.body[0] if isinstance(factory, ast.FunctionDef) else factory
    if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
        raise UnreadableError("the function is not a plain definition")
    inner.body[:0] = ast.parse(line).body
    return ast.unparse(tree)


def apply(text: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """A text with parts of it replaced: (start, end, replacement), which do not overlap."""
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def offsets(text: bytes) -> list[int]:
    """Where every line begins, in bytes."""
    starts = [0]
    for line in text.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts
