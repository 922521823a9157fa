"""What to write in place of a wrong value, from the values at hand in the user's function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations_with_replacement

import numpy as np

from gradcheck.arrays import same_arrays
from gradcheck.trace.causes.compared import Array, Arrays, same
from gradcheck.trace.causes.written import Written, is_part
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.units import Mend, Unit, in_pass
from gradcheck.trace.record.graph import evaluate
from gradcheck.trace.record.names import WRITES
from gradcheck.trace.record.nodes import Assignment
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.scope import Operand, names_at, operands_of_expression
from gradcheck.trace.wording.words import SHORT

PASSES, LARGE = 4, 50_000
"""The maximum number of passes of a loop in which it must fit, and of entries of an array."""

Changing = Callable[[Array, Array], Array]

Form = tuple[str, Changing]

PLAIN: tuple[Form, ...] = (
    ("`{0}`", lambda wrong, value: value),
    ("`{0}.T`", lambda wrong, value: value.T),
    ("`{0}.swapaxes(-1, -2)`", lambda wrong, value: _swapped(value)),
)
SLOPES: tuple[Form, ...] = (
    ("`-{0}`", lambda wrong, value: -value),
    ("`1 - {0}`", lambda wrong, value: 1 - value),
    ("`1 - {0}**2`", lambda wrong, value: 1 - value * value),
    ("`{0} * (1 - {0})`", lambda wrong, value: value * (1 - value)),
    ("`{0} > 0`", lambda wrong, value: 1.0 * (value > 0)),
)
OF_OUTPUTS = SLOPES[2:]
CHANGED: tuple[Form, ...] = (
    *(
        (f"multiply {{1}} by {of}", lambda w, value, form=form: w * form(w, value))
        for of, form in (PLAIN[0], *SLOPES)
    ),
    ("divide {1} by `{0}`", lambda wrong, value: wrong / value),
    ("add `{0}` to {1}", lambda wrong, value: wrong + value),
    ("subtract `{0}` from {1}", lambda wrong, value: wrong - value),
)
OF_TWO = (CHANGED[0], CHANGED[-3])
INNER = (CHANGED[0], *CHANGED[-3:])
"""What an operand of a wrong expression may lack."""


@dataclass(frozen=True)
class Site:
    """A wrong value in one pass of a loop, with the right one and their difference, by point.

    `node` makes or uses the value. `scope` has the values that the function has there, by their
    texts; `uses` has the operands of the wrong expression: text, operation and value.
    """

    node: int
    scope: dict[str, int]
    uses: list[Operand]
    actual: Arrays
    expected: Arrays
    differs: Arrays


def what_to_write(
    mend: Mend, state: State, place: Place | None, wrong: str, names: Sequence[Assignment]
) -> Written:
    """Return the code that makes a value right from the values at hand there.

    The state has the values with the mend, and the operations without it.
    """
    if mend.candidate is None or place is None or not wrong:
        return Written()
    ways = [] if mend.unit.nodes else [False]
    ways += [True] if mend.unit.nodes or _are_made_for(mend.unit, state, place) else []
    of_sites = (list(_sites(mend, state, place, wrong, names, is_made)) for is_made in ways)
    with np.errstate(all="ignore"):
        written = (_written(mend, state, wrong, names, sites) for sites in of_sites if sites)
        return next(filter(None, written), Written())


def _written(
    mend: Mend, state: State, wrong: str, named: Sequence[Assignment], sites: Sequence[Site]
) -> Written | None:
    common = set.intersection(*(set(site.scope) for site in sites))
    if mend.unit.uses:  # what is made of the wrong use is not written with it
        changed = set(state.below(consumer for consumer, _ in mend.unit.uses))
        made_of_it = (one for one in common if wrong in one and sites[0].scope[one] in changed)
        common -= set(made_of_it)
    else:
        common.discard(wrong)
    names = [one for one in common if not wrong.startswith(f"{one}[")]
    copies = {one.target for one in named}
    made = sites[0].scope  # of equal values, the one made first gives the name
    ordered = sorted(
        names,
        key=lambda text: (not text.isidentifier(), made[text], text in copies, len(text), text),
    )
    what = f"`{wrong}`" if len(wrong) <= SHORT else "it"
    altered = [
        _fitting(CHANGED, sites, state, ordered, what),
        _inside(INNER, sites, state, ordered, wrong),
    ]
    if expression_of(wrong) is None:  # a statement: no factor of it can be written
        altered.reverse()
    writings = chain(
        _fitting((*PLAIN, *SLOPES), sites, state, ordered, what),
        _inside((*PLAIN, *SLOPES), sites, state, ordered, wrong),
        *altered,
        _by_two(sites, state, ordered, what),
    )
    return next(writings, None)


def _sites(
    mend: Mend, state: State, place: Place, wrong: str, names: Sequence[Assignment], is_made: bool
) -> Iterator[Site]:
    """Yield a site for some passes: where the values are made, or where they are used."""
    members, unit, count = mend.unit.replaced, mend.unit, mend.passes
    shape = state.values[0][members[0]].shape
    size = int(np.prod(shape))
    if size > LARGE or any(value.size != count * size for value in mend.expected):
        return
    for number in sorted({*np.linspace(0, count - 1, PASSES).astype(int).tolist()}):
        node = members[number] if is_made else unit.uses[number][0]
        expected = in_pass(mend.expected, number, shape)
        # computed again: the values from earlier passes are right by now
        actual = [
            evaluate(nodes[node], values) if is_made else values[members[number]]
            for nodes, values in zip(state.nodes, state.values, strict=True)
        ]
        if np.any(expected[0]) and not same(actual, expected):
            at = None if is_made else _returning(state, members[number], place, names)
            scope = names_at(state, node if at is None else at, place, names)
            if not is_made:  # a helper that returns it has it at hand
                scope.setdefault(wrong, members[number])
            uses = operands_of_expression(state, node, place) if is_made else []
            differs = [~np.isclose(*pair, 1e-9, 0) for pair in zip(actual, expected, strict=True)]
            yield Site(node, scope, uses, actual, expected, differs)


def _returning(state: State, operand: int, place: Place, names: Sequence[Assignment]) -> int | None:
    """Return the last operation before a helper returns a value at a place; None elsewhere."""
    there = (one for one in names if one.returned and one.node == operand and one.place == place)
    returned = next(there, None)
    if returned is None:
        return None
    before = reversed(state.tape[: returned.position])
    inside = (node for node in before if any(call.code is returned.code for call in node.chain))
    return next((node.index for node in inside), None)


def _are_made_for(unit: Unit, state: State, place: Place) -> bool:
    """True if the values of a unit of uses are computed at a place for these uses alone."""
    users = {user for user, _ in unit.uses}
    made = [state.tape[index] for index in unit.replaced]
    return all(
        one.place == place and not one.is_leaf and users.issuperset(state.consumers[one.index])
        for one in made
    )


def _fitting(
    forms: Sequence[Form],
    sites: Sequence[Site],
    state: State,
    names: Sequence[str],
    what: str,
    operand: str = "",
) -> Iterator[Written]:
    """Yield the code that makes every wrong value, or an operand in it, right with one name."""
    for words, form in forms:
        is_slope = any(of in words for of, _ in OF_OUTPUTS)
        if is_slope and _is_term(operand, sites, state):
            continue  # a slope is a factor
        for name in names:
            if f"`{name}`" == what and not operand and not _is_itself(name, sites, state):
                continue  # its index, say, has had another value
            if words.endswith("> 0`") and _is_positive(name, sites, state):
                continue  # a mask of ones says nothing
            if all(_fits(form, site, state, name, operand) for site in sites):
                text = words if "{1}" in words else f"write {words} for {{1}}"
                used = _in_brackets(name, words)
                at = sites[0].node if sites[0].uses and not operand else None
                value = words.split("`")[1].format(used)
                code, node = text.format(used, what), sites[0].scope[name]
                if words.startswith("divide") and _is_surplus(name, what, sites[0], state):
                    code = f"leave the factor {what} out"
                yield Written(code, value, node, at, operand, is_slope)


def _is_term(operand: str, sites: Sequence[Site], state: State) -> bool:
    """True if an operand is added or subtracted; the whole expression, "", is not asked for."""
    uses = (use for site in sites for use in site.uses)
    return any(
        text == operand and state.tape[at].operation in ("add", "subtract") for text, at, _ in uses
    )


def _is_itself(name: str, sites: Sequence[Site], state: State) -> bool:
    """True if a name stands for the wrong value that it is written for."""
    return all(same_arrays(state.at(site.scope[name]), site.actual) for site in sites)


def _is_positive(name: str, sites: Sequence[Site], state: State) -> bool:
    """True if all entries of a value are positive, in every pass and at every point."""
    return all(np.all(value > 0) for site in sites for value in state.at(site.scope[name]))


def _is_surplus(name: str, what: str, site: Site, state: State) -> bool:
    """True if a factor is to be divided by itself: there should be none."""
    users = [consumer for text, consumer, _ in site.uses if text == name] or [site.node]
    return what == f"`{name}`" and all(state.tape[at].operation == "multiply" for at in users)


def _by_two(
    sites: Sequence[Site], state: State, names: Sequence[str], what: str
) -> Iterator[Written]:
    """Yield the code that multiplies every wrong value by two names, or divides it by them."""
    for pair in combinations_with_replacement(names, 2):
        for code, combine in OF_TWO:
            if all(_is_of_two(site, state, pair, combine) for site in sites):
                one, other = (_in_brackets(name, "") for name in pair)
                text = f"{one}**2" if one == other else f"{one} * {other}"
                at = sites[0].node if sites[0].uses else None
                yield Written(code.format(text, what), text, sites[0].scope[pair[0]], at)


def _is_of_two(site: Site, state: State, names: Sequence[str], combine: Changing) -> bool:
    """True if a wrong value with the product of two values is the right one at all points."""
    pairs = zip(*(state.at(site.scope[name]) for name in names), strict=True)
    try:
        made = [combine(w, a * b) for w, (a, b) in zip(site.actual, pairs, strict=True)]
    except ValueError:  # the shapes do not fit
        return False
    return all(map(np.all, map(np.isfinite, made))) and same(made, site.expected)


def _inside(
    forms: Sequence[Form], sites: Sequence[Site], state: State, names: Sequence[str], wrong: str
) -> Iterator[Written]:
    """Yield the code that changes an operand of the wrong expression, or replaces it."""
    for text, *_ in sites[0].uses:
        if text:
            # with a part of the expression, the rest would be in it twice
            others = [one for one in names if not (is_part(text, one) and is_part(one, wrong))]
            plain = [one for one in forms if not (text.isidentifier() and one in SLOPES)]
            yield from _fitting(plain, sites, state, others, f"`{text}`", text)


def _fits(form: Changing, site: Site, state: State, name: str, operand: str) -> bool:
    """True if a form of a value makes the wrong one right, alone or in place of an operand."""
    for point, (wrong, wanted) in enumerate(zip(site.actual, site.expected, strict=True)):
        value, differs = state.values[point][site.scope[name]], site.differs[point]
        try:
            made = (
                _redone(state, point, site, operand, form, value) if operand else form(wrong, value)
            )
            is_partly = np.shape(made) == np.shape(wanted) and np.all(wanted[differs])
            if is_partly and state.tape[site.node].operation in WRITES:
                made = np.where(differs, made, wanted)  # entries written elsewhere are right
        except ValueError:  # the shapes do not fit
            return False
        if not np.all(np.isfinite(made)) or not same([made], [wanted]):
            return False
    return True


def _redone(
    state: State, point: int, site: Site, operand: str, form: Changing, value: Array
) -> Array:
    """Return the wrong expression with a form of an operand and a value; nan if it fails."""
    _, consumer, used = next(one for one in site.uses if one[0] == operand)
    other = form(state.values[point][used], value)
    if other.shape != state.tape[used].value.shape:
        return np.asarray(np.nan)
    order = sorted({at for _, at, _ in site.uses if at >= consumer})
    values = state.run(point, Replacement(uses={(consumer, used): other}), order)
    return np.asarray(np.nan if values is None else values[site.node])


def _in_brackets(text: str, words: str) -> str:
    """Return a text as an operand, in brackets where the words around it need them."""
    is_sum = isinstance(expression_of(text), ast.BinOp | ast.UnaryOp | ast.Compare)
    return f"({text})" if is_sum and "`{0}`" not in words else text


def _swapped(value: Array) -> Array:
    return value.swapaxes(-1, -2) if value.ndim > 2 else np.asarray(np.nan)
