"""What to write in the place of a wrong value: what the user's function has at hand there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np

from gradcheck.trace.compared import Array, Arrays, same
from gradcheck.trace.mend import Mend
from gradcheck.trace.nodes import Assignment, Reference, evaluate
from gradcheck.trace.operand_text import operand_text, with_place
from gradcheck.trace.places import Place
from gradcheck.trace.sources import expression_of
from gradcheck.trace.state import Replacement, State
from gradcheck.trace.words import SHORT, assigned_name

PASSES, BACK, AHEAD = 5, 3000, 300
"""In so many passes of a loop it must fit; so much of the tape is read for what has a name."""

Form = tuple[str, Callable[[Array, Array], Array]]

PLAIN: tuple[Form, ...] = (
    ("`{0}`", lambda wrong, own: own),
    ("`{0}.T`", lambda wrong, own: own.T),
    ("`{0}.swapaxes(-1, -2)`", lambda wrong, own: _swapped(own)),
)
SLOPES: tuple[Form, ...] = (
    ("`-{0}`", lambda wrong, own: -own),
    ("`1 - {0}`", lambda wrong, own: 1 - own),
    ("`1 - {0}**2`", lambda wrong, own: 1 - own * own),
    ("`{0} * (1 - {0})`", lambda wrong, own: own * (1 - own)),
    ("`{0} > 0`", lambda wrong, own: 1.0 * (own > 0)),
)
CHANGED: tuple[Form, ...] = (
    *(
        (f"multiply {{1}} by {of}", lambda w, own, form=form: w * form(w, own))
        for of, form in (PLAIN[0], *SLOPES[1:])
    ),
    ("divide {1} by `{0}`", lambda wrong, own: wrong / own),
    ("add `{0}` to {1}", lambda wrong, own: wrong + own),
    ("take `{0}` off {1}", lambda wrong, own: wrong - own),
)


@dataclass(frozen=True)
class Site:
    """A wrong value, in one pass of a loop.

    Attributes:
        node: the operation that makes or uses it.
        scope: the values that the function has there, by what they are called.
        uses: the operands of the wrong expression: text, operation and value.
        actual: the wrong value, by point.
        expected: the right one.
    """

    node: int
    scope: dict[str, int]
    uses: list[tuple[str, int, int]]
    actual: Arrays
    expected: Arrays


def what_to_write(
    mend: Mend, state: State, place: Place | None, told: str, assignments: Sequence[Assignment]
) -> str:
    """The code that makes a value right; empty where nothing at hand does.

    The state has the values with the mend, and the operations without it.
    """
    if mend.candidate is None or place is None or not told:
        return ""
    named = [one for one in assignments if not one.returned]
    sites = list(_sites(mend, state, place, named))
    if not sites:
        return ""
    common = set.intersection(*(set(site.scope) for site in sites)) - {told}
    names = [one for one in common if not told.startswith(f"{one}[")]
    copies = {one.target for one in named}
    ordered = sorted(
        names, key=lambda text: (not text.isidentifier(), text in copies, len(text), text)
    )
    what = f"`{told}`" if len(told) <= SHORT else "it"
    with np.errstate(all="ignore"):
        found = chain(
            _fitting((*PLAIN, *SLOPES), sites, state, ordered, what),
            _inside(sites, state, ordered),
            _fitting(CHANGED, sites, state, ordered, what),
        )
        return next(found, "")


def _sites(
    mend: Mend, state: State, place: Place, assignments: Sequence[Assignment]
) -> Iterator[Site]:
    members, unit = mend.unit.replaced, mend.unit
    count = len(members) if unit.is_series or len(unit.nodes) > 1 else 1
    shape = state.values[0][members[0]].shape
    if any(value.size != count * int(np.prod(shape)) for value in mend.expected):
        return
    for number in sorted({*np.linspace(0, count - 1, PASSES).astype(int).tolist()}):
        node = unit.nodes[number] if unit.nodes else unit.uses[number][0]
        expected = [np.reshape(value, (count, *shape))[number] for value in mend.expected]
        # made anew: what the passes before made wrong is right by now
        actual = [
            evaluate(nodes[node], values) if unit.nodes else values[members[number]]
            for nodes, values in zip(state.nodes, state.values, strict=True)
        ]
        if np.any(expected[0]) and not same(actual, expected):
            scope = _scope(state, node, place, assignments)
            uses = _uses(state, node, place) if unit.nodes else []
            yield Site(node, scope, uses, actual, expected)


def _scope(
    state: State, index: int, place: Place, assignments: Sequence[Assignment]
) -> dict[str, int]:
    """What the function at a place has made or read before an operation, and reads after it."""
    tape, calls = state.tape, with_place(state, state.tape[index]).chain
    level = next((i for i, one in enumerate(calls) if one.place.function == place.function), -1)
    scope: dict[str, int] = {}
    for node in tape[max(0, index - BACK) : index + AHEAD] if level >= 0 else ():
        depth = len(node.chain) - len(calls) + level
        if depth < 0 or node.chain[depth + 1 :] != calls[level + 1 :]:
            continue
        call = node.chain[depth]
        if call.code is not calls[level].code:
            continue
        source = call.place.source
        for position, argument in enumerate(node.arguments) if depth == 0 else ():
            text = _text(source, position)
            if text and isinstance(argument, Reference) and argument.index < index:
                earlier = scope.setdefault(text, argument.index)
                scope[text] = argument.index if node.index <= index else earlier
        if node.index >= index:
            continue
        plain = [
            one.target for one in assignments if (one.node, one.code) == (node.index, call.code)
        ]
        for name in filter(None, (assigned_name(call.place), *plain)):
            known = re.compile(rf"\b{re.escape(name)}\b")
            scope = {text: at for text, at in scope.items() if not known.search(text)}
            scope[name] = node.index
        if depth == 0 and len(source) <= SHORT and expression_of(source) is not None:
            scope[source] = node.index
    return {text: at for text, at in scope.items() if tape[at].is_float}


@lru_cache(maxsize=4096)
def _text(source: str, position: int) -> str:
    """The operand of an operation, if that is a name, an attribute or an item."""
    operand = operand_text(source, position)
    is_plain = isinstance(operand, ast.Name | ast.Attribute | ast.Subscript)
    return ast.unparse(operand) if operand is not None and is_plain else ""


def _fitting(
    forms: Sequence[Form], sites: Sequence[Site], state: State, names: Sequence[str], what: str
) -> Iterator[str]:
    """What makes every wrong value right, with one of the names in it."""
    for words, form in forms:
        for name in names:
            if all(_fits(form, site, state, name) for site in sites):
                text = words if "{1}" in words else f"write {words} for {{1}}"
                yield text.format(_in_brackets(name, words), what)


def _inside(sites: Sequence[Site], state: State, names: Sequence[str]) -> Iterator[str]:
    """An operand of the wrong expression for which another value belongs."""
    for text, *_ in sites[0].uses if sites else ():
        for words, form in PLAIN if text else ():
            for name in names:
                if all(_fits(form, site, state, name, text) for site in sites):
                    yield f"write {words.format(_in_brackets(name, words))} for `{text}`"


def _fits(
    form: Callable[[Array, Array], Array], site: Site, state: State, name: str, operand: str = ""
) -> bool:
    """Whether a form of a value makes the wrong one right, or put in for an operand of it."""
    for point, (wrong, wanted) in enumerate(zip(site.actual, site.expected, strict=True)):
        own = state.values[point][site.scope[name]]
        differs = ~np.isclose(wrong, wanted, 1e-9, 0)
        try:
            made = (
                _redone(state, point, site, operand, form(wrong, own))
                if operand
                else form(wrong, own)
            )
            if np.shape(made) == np.shape(wanted) and np.all(wanted[differs]):
                made = np.where(differs, made, wanted)  # what is written elsewhere is right
        except ValueError:  # the shapes do not fit
            return False
        if not np.all(np.isfinite(made)) or not same([made], [wanted]):
            return False
    return True


def _redone(state: State, point: int, site: Site, operand: str, other: Array) -> Array:
    """The wrong expression with another value for an operand."""
    _, consumer, used = next(one for one in site.uses if one[0] == operand)
    if other.shape != state.tape[used].value.shape:
        return np.asarray(np.nan)
    order = sorted({at for _, at, _ in site.uses if at >= consumer})
    done = state.run(point, Replacement(uses={(consumer, used): other}), order)
    return np.asarray(np.nan if done is None else done[site.node])


def _uses(state: State, node: int, place: Place) -> list[tuple[str, int, int]]:
    """What the operations of an expression use: its text, the operation, the value."""
    found: list[tuple[str, int, int]] = []
    pending = [node]
    while pending:
        made = state.tape[pending.pop()]
        own = made.place
        if own is None or (own.file, own.function, own.line) != (
            place.file,
            place.function,
            place.line,
        ):
            continue
        for position, argument in enumerate(made.arguments):
            if isinstance(argument, Reference):
                text = _text(own.source, position)
                found.append((text, made.index, argument.index))
                if not text or text.endswith(".T"):
                    pending.append(argument.index)
    return found


def _in_brackets(text: str, words: str) -> str:
    """A text as an operand of what the words have beside it."""
    is_sum = isinstance(expression_of(text), ast.BinOp | ast.UnaryOp | ast.Compare)
    return f"({text})" if is_sum and "`{0}`" not in words else text


def _swapped(value: Array) -> Array:
    return value.swapaxes(-1, -2) if value.ndim > 2 else np.asarray(np.nan)
