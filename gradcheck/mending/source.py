"""The user's source as text that can be edited: files, and the functions in them.

A function is identified by its file and its place among the definitions there, which an edit of
another line does not change. Its code is replaced in the function object itself, so that every
closure, class and module that holds it sees the edit.
"""

from __future__ import annotations

import ast
import io
import linecache
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from dis import get_instructions
from pathlib import Path
from tokenize import detect_encoding
from types import CodeType, FunctionType
from typing import Any

from numpy.typing import NDArray

from gradcheck.mending.marks import HOOKS, Mark, Marker
from gradcheck.mending.pieces import (
    LAMBDA,
    LINES,
    ONCE,
    STEP,
    Piece,
    block_run,
    blocks_of,
    definitions,
    lines_as_function,
    lines_run,
    loops_of,
)
from gradcheck.mending.scope import executed, functions_of
from gradcheck.user.calls import cell_name
from gradcheck.user.problem import Problem

FACTORY = "_factory_of_the_function_"


class UnreadableError(Exception):
    """A function's source cannot be read, or is not what its code was compiled from."""


@dataclass(frozen=True)
class Function:
    """One of the user's functions that may be edited.

    `functions` are all that share its code: one definition may make many closures. `names` are
    those of the enclosing definitions and classes, and its own; `occurrence` counts the definitions
    with the same names, from 0. `of_loss` says that the loss runs it as well. `marks` are the
    places in it where a script's loss is observed. `left_out` are the statements between the lines
    of a script that it does not run; None of any other function.
    """

    functions: tuple[FunctionType, ...]
    path: str
    names: tuple[str, ...]
    occurrence: int
    of_loss: bool = False
    marks: tuple[Mark, ...] = ()
    left_out: frozenset[str] | None = None

    @property
    def code(self) -> CodeType:
        """The code that it runs now."""
        return self.functions[0].__code__

    def run_from_now_on(self, code: CodeType) -> None:
        """Make all of them run a code."""
        for function in self.functions:
            function.__code__ = code

    def definition(self, tree: ast.Module) -> Piece:
        """Return its definition in a file's tree.

        Raises:
            UnreadableError: the tree has no such definition.
        """
        if self.left_out is not None:
            block = blocks_of(tree).get(self.names[:-1], [])[self.occurrence :]
            return lines_run(block, self.left_out)
        same: Sequence[Piece]
        if self.names[-1] == STEP:
            same = loops_of(tree)
        else:
            same = [node for names, node in definitions(tree) if names == self.names]
        if len(same) <= self.occurrence:
            raise UnreadableError(f"{'.'.join(self.names)} is no longer in {self.path}")
        return same[self.occurrence]


def read_source(path: str) -> bytes:
    """Return the text of a file; for a notebook's cell, the text that the notebook keeps.

    Raises:
        OSError: there is no such file.
    """
    lines = linecache.getlines(path) if cell_name(path) else []
    return "".join(lines).encode() if lines else Path(path).read_bytes()


def encoding_of(raw: bytes) -> str:
    """Return the encoding of a file's text.

    Raises:
        SyntaxError: the coding line names an unknown one, or lines end with a carriage return.
    """
    if b"\r" in raw.replace(b"\r\n", b""):
        raise SyntaxError("its lines end with a carriage return")
    return detect_encoding(io.BytesIO(raw).readline)[0]


def as_utf8(raw: bytes) -> bytes:
    """Return a file's text in UTF-8, in whose bytes `ast` counts columns."""
    return raw.decode(encoding_of(raw)).encode()


def editable_functions(problem: Problem) -> tuple[list[Function], list[str]]:
    """Return the functions that compute a gradient, and a sentence for each uneditable one."""
    functions: list[Function] = []
    refused: list[str] = []
    trees: dict[str, ast.Module] = {}
    of_loss = set(_run_by(problem, problem.loss))
    codes = _run_by(problem, problem.gradient)
    for code, same in functions_of(codes).items():
        path, name = code.co_filename, code.co_name
        if not same:
            continue  # it is made anew in every call, by a function that may be edited
        try:
            if path not in trees:
                trees[path] = ast.parse(as_utf8(read_source(path)).decode())
            function = _located(code, same, trees[path])
        except (OSError, SyntaxError, ValueError):
            refused.append(f"the source of {name} cannot be read ({path})")
        except UnreadableError as error:
            refused.append(str(error))
        else:
            scope, node = same[0].__globals__, function.definition(trees[path])
            run = scope.get(HOOKS)  # of a script
            marks = () if run is None else run.marked.kept_in(node, scope)
            functions.append(replace(function, of_loss=code in of_loss, marks=marks))
    return functions, refused


def _run_by(
    problem: Problem, function: Callable[[Sequence[NDArray[Any]]], object]
) -> list[CodeType]:
    try:
        return executed(lambda: function([one.copy() for one in problem.parameters.values]))
    finally:
        problem.restore_data()
        problem.parameters.restore()


def _located(code: CodeType, same: Sequence[FunctionType], tree: ast.Module) -> Function:
    """Return the functions of a code, with the place of its definition in the tree of its file."""
    path, functions = code.co_filename, tuple(same)
    if code.co_name == STEP:
        loops = loops_of(tree)
        lines = [node.lineno for node in loops]
        if code.co_firstlineno in lines and loops[lines.index(code.co_firstlineno)].body:
            return Function(functions, path, (STEP,), lines.index(code.co_firstlineno))
    if code.co_name == LINES:
        with suppress(LookupError):
            names, first, left_out = block_run(tree, code)
            return Function(functions, path, (*names, LINES), first, left_out=left_out)
    columns = [column for _, _, column, _ in code.co_positions() if column is not None]
    counts: Counter[tuple[str, ...]] = Counter()
    matching = []
    for names, node in definitions(tree):
        counts[names] += 1
        decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
        first = min([node.lineno, *(one.lineno for one in decorators)])
        if first == code.co_firstlineno and names[-1] == code.co_name:
            matching.append((names, counts[names] - 1, node.col_offset))
    if not matching:
        raise UnreadableError(
            f"{path} was changed since {code.co_name} was imported, or made it in another way"
        )
    # lambdas on one line differ in the columns of their bodies
    before = [one for one in matching if one[2] < max(columns, default=0)] or matching
    names, occurrence, _ = max(before, key=lambda one: one[2])
    return Function(functions, path, names, occurrence)


def new_code(function: Function, definition: bytes, line: int, body: int | None) -> CodeType:
    """Return the code of a function, compiled from a text of its definition.

    The definition stands at a line of its file, from 1; its first statement, or a lambda's body, is
    at `body`. The variables of the enclosing scope are mentioned there, so that one that is no
    longer used keeps its cell. `body` is None if an edit moves it.

    Raises:
        UnreadableError: the text is no Python, or the function needs other variables of the
            enclosing scope than it has.
    """
    free, name = function.code.co_freevars, function.names[-1]
    if name in (STEP, LINES):
        return _step_code(function, definition, line)
    owner = function.code.co_qualname.split(".")[-2:-1]
    given = [one for one in free if one != "__class__"]
    head, level = [], ""
    if given:
        head, level = [f"def {FACTORY}({', '.join(given)}):"], " "
    if name == LAMBDA:
        before, after = "\n".join([*head, f"{level}("]), ")"
    else:
        if owner and owner != ["<locals>"]:  # a name with two underscores is its class's own
            head.append(f"{level}class {owner[0]}:")
        elif not head and definition[:1] in (b" ", b"\t"):  # a form feed may stand before it
            head.append("if 1:")
        before, after = "".join(f"{line}\n" for line in head), ""
    above = line - 1 - before.count("\n")
    if free and body is not None:
        mentioned = _mentioning(free, definition, body, name == LAMBDA)
        above -= mentioned.count(b"\n") - definition.count(b"\n")
        definition = mentioned
    text = "\n" * above + before + definition.decode("utf-8") + after
    code = _code_in(text, function, function.marks)
    if code.co_freevars != free:
        raise UnreadableError("the function would need other variables of its surroundings")
    return code


def _code_in(text: str | ast.Module, function: Function, marks: Sequence[Mark] = ()) -> CodeType:
    """Return the code of the function that a text, or its tree, defines, with marks in it."""
    try:
        tree = Marker(marks).visit(ast.parse(text)) if marks else text
        whole = compile(tree, function.path, "exec")
    except (SyntaxError, ValueError) as error:
        raise UnreadableError(str(error)) from None
    name = function.names[-1]
    return next(one for one in inner_codes(whole) if one.co_name == name)


def _step_code(function: Function, body: bytes, line: int) -> CodeType:
    """Return the code of a loop's body, run once with the variables of its module or function."""
    code = function.code
    stored = {one.argval for one in get_instructions(code) if one.opname == "STORE_GLOBAL"}
    head = [f"def {code.co_name}({', '.join(code.co_varnames[: code.co_argcount])}):"]
    head += [f" global {', '.join(sorted(stored))}"] if stored else []
    head.append(f" for {ONCE} in (0,):")
    if function.left_out is not None:
        try:
            return _code_in(lines_as_function(function.left_out, head, body, line), function)
        except SyntaxError as error:
            raise UnreadableError(str(error)) from None
    text = "\n" * (line - 1 - len(head)) + "\n".join([*head, body.decode("utf-8")])
    text += "" if ONCE in stored else "\n return locals()"
    return _code_in(text, function)


def _mentioning(names: Sequence[str], definition: bytes, body: int, is_lambda: bool) -> bytes:
    """Return the definition with a mention of variables that is never evaluated."""
    indent = definition[definition.rfind(b"\n", 0, body) + 1 : body]
    every = f"({', '.join(names)},)".encode()
    between = b"; " if indent.strip() else b"\n" + indent
    mention = every + b" if 0 else " if is_lambda else b"lambda: " + every + between
    return definition[:body] + mention + definition[body:]


def inner_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the codes of the definitions inside another, the outermost first."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    yield from inner
    for one in inner:
        yield from inner_codes(one)
