"""Names that suggest a loss, a learning rate or a parameter."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Set
from typing import Any

LIKELIHOOD = r"likelihood|log_?lik|log_?post|elbo|(\b|_)(l(og_)?ml|mll|ll)(_|\b)"

CLIMBED = re.compile(rf"(?i)^(?!.*neg).*({LIKELIHOOD})")
"""Names of what is climbed: the loss is its negative."""

OBJECTIVE = re.compile(r"(?i)objective|surrogate|utility")
"""Names of what may be climbed, of either sign, where the update adds: an expected reward."""

IN_OTHER_WORDS = "(custo|p[eé]rd(id)?a|kosten|verlust)"
BY_NAME = "huber|hinge|brier|pinball"
STRONG = re.compile(
    rf"(?i)(loss|cost|objective|nll|{BY_NAME}|(?<!r)mse|entropy)|^(?-i:[JL])$"
    rf"|^((total|potential|elastic)_)?energy$|(_|\b){IN_OTHER_WORDS}(_|\b)|{LIKELIHOOD}"
)
"""Names that suffice to believe that a number is the loss."""

ELSEWHERE = re.compile(r"(?i)(^|_)(val|valid|validat\w+|test|testing|dev|eval|held_?out)(_|$)")
"""Names of losses on data that the step does not descend, such as a validation set."""

LOSS = re.compile(
    r"(?i)(^|_|\b)(losses|costs|rmse|sse|j|l|e|err|errs|errors?(log|list)?|\w*loss\w*|\w*cost\w*|\w*mse"
    rf"|objective|nll|{BY_NAME}|log_?list|cross_?entropy|\w+error|((total|potential|elastic)_)?energy"
    rf"|erreurs?|errore|fehler|hata|{IN_OTHER_WORDS})(_|\b|$)"
    rf"|{LIKELIHOOD}"
)
NO_LOSS = re.compile(
    r"(?i)acc|count|smooth|delta|prime|deriv|grad|^der_|^cos_?th|^d(loss|cost|J)$"
    r"|^d_?(loss|cost|error|[JLE])_(d|wrt|by)?_?"
    r"(theta|weights?\d*|bias(es)?\d*|[a-z]{1,2}\d*|(pred|out|hidden|logit|score)\w*)$"
)
"""Names of other numbers, such as that of a derivative, `dL_dz` or `d_loss_W2`."""

SUMS, MEANS = frozenset(("sum", "fsum")), frozenset(("mean", "fmean", "average"))
"""Functions that join the entries of a list."""

DERIVATIVE = re.compile(r"(?i)(^|_)(deriv\w*|prime|grad(ient)?s?|backward)$")
"""Names of functions that return a derivative, in an array that may itself be named as a loss."""

RATE = re.compile(
    r"(?i)^((\w+_)?(lr|learn\w*_?rate)(_\w+)?|l_rate|eta|alpha|step_?size|epsilon|eps|rate|(?-i:a)"
    r"|gamma|lambda_?)$"
)
ROLE = re.compile(r"(?i)^(w|b|v|u|theta|weights?|bias(es)?|kernel|synapse|syn)[_\d]*$")
"""Names of parameters."""

PARTS = re.compile(r"(?i)(^|_)(weights?|bias(es)?)(?=_|\d|$)")
NO_PARTS = re.compile(
    r"(?i)(^|_)(d|grad\w*|delta\w*|nabla|update\w*|change\w*|velocit\w*|moment\w*|decay|err\w*"
    r"|sum\w*|total|acc\w*|step|best|last|prev\w*|old|new|class|samples?|loss\w*)(?=_|\d|$)"
)


class RefusedError(BaseException):
    """A script cannot be taken apart; the message says why and what to do.

    It is no `Exception`, so that the script's own `except Exception` does not catch it.
    """


def may_be_loss(name: str) -> bool:
    """Whether a name may be the name of a loss."""
    return bool(LOSS.search(name)) and not NO_LOSS.search(name)


def mentions(text: str, variable: str) -> bool:
    """Whether the text of an expression contains a variable."""
    return bool(re.search(rf"(?<![\w.]){re.escape(variable)}(?!\w)", text))


def losses_in_mean(node: ast.expr, others: Set[str]) -> frozenset[str]:
    """Return the variables or functions of which an expression is a mean, if they may be a loss.

    It divides a loss, or the sum of several in a list, or takes the mean of these. They are named
    like a loss, or are among `others`.
    """

    def several(joined: ast.expr, functions: frozenset[str]) -> str:
        if not isinstance(joined, ast.Call) or name_of(joined.func) not in functions:
            return ""
        owner = joined.func.value if isinstance(joined.func, ast.Attribute) else joined
        return name_of(joined.args[0] if joined.args else owner)

    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        called = f"{name_of(node.left.func)}()" if isinstance(node.left, ast.Call) else ""
        found = several(node.left, SUMS) or called or name_of(node.left)
    else:
        found = several(node, MEANS)
    return frozenset({found}) if may_be_loss(found) or found in others else frozenset()


def is_slope(target: ast.AST, function: str) -> bool:
    """Whether an assignment sets an entry of what a function named as a derivative returns."""
    return isinstance(target, ast.Subscript) and bool(DERIVATIVE.search(function))


def name_of(node: ast.AST) -> str:
    """Return the last name of an expression: of a variable, an attribute or a string key."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        key = node.slice
        is_text = isinstance(key, ast.Constant) and isinstance(key.value, str)
        return str(key.value) if is_text else name_of(node.value)  # type: ignore[attr-defined]
    return ""


def same(one: ast.AST, other: ast.AST) -> bool:
    """Whether the source text of two expressions is the same."""
    return type(one) is type(other) and ast.unparse(one) == ast.unparse(other)


def may_be_parameter(name: str) -> bool:
    """Whether a name is one of a parameter, or says of which layer it is: `hidden_bias`."""
    return bool(ROLE.match(name) or (PARTS.search(name) and not NO_PARTS.search(name)))


def names_in(node: ast.AST, context: Any = ast.expr_context) -> set[str]:
    """Return the names within a node, or those that are read or stored there."""
    names = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, context)}


def names_read(node: ast.AST, is_passed_over: Callable[[ast.AST], bool]) -> Iterator[str]:
    """Yield the names that are read or added to, outside of the parts that are passed over."""
    if is_passed_over(node):
        return
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from names_read(child, is_passed_over)


def as_read(target: ast.expr) -> ast.expr:
    """Return what an assignment or a loop sets, as an expression that reads it."""
    return ast.parse(ast.unparse(target), mode="eval").body


def calls_in(node: ast.AST) -> set[str]:
    """Return the last names of the functions that are called within a node."""
    return {name_of(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}


def joins_text(node: ast.BinOp) -> bool:
    """Whether a printed expression puts texts together, and is no sum of numbers."""
    joins = isinstance(node.op, ast.Mod | ast.Add)
    return joins and bool(text_in(node) or {"str", "format"} & calls_in(node))


def text_in(node: ast.AST) -> str:
    """Return the words in the literals of an expression."""
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return " ".join(text for text in texts if isinstance(text, str))


def short(text: Any, most: int = 60) -> str:
    """Return the text on one line, cut to `most` characters."""
    words = " ".join(str(text).split())
    return words if len(words) <= most else words[: most - 3] + "..."
