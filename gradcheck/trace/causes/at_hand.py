"""What to write in place of a wrong value, from the values at hand in the user's function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations_with_replacement

import numpy as np

from gradcheck.arrays import same_arrays
from gradcheck.trace.causes.compared import Array, product, same
from gradcheck.trace.causes.sites import Site, are_made_for, sites_of
from gradcheck.trace.causes.written import Written, is_part
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.locating.view import view_of
from gradcheck.trace.record.names import WRITES
from gradcheck.trace.record.nodes import Assignment, Node
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import expression_of, last_factors
from gradcheck.trace.wording.words import SHORT

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
OF_MATRICES = {"{0}**2": "np.square({0})", "{0} * (1 - {0})": "np.multiply({0}, 1 - {0})"}
"""How these are written for a matrix of numpy's, for which `*` and `**` are products."""
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


def what_to_write(
    mend: Mend,
    state: State,
    place: Place | None,
    wrong: str,
    names: Sequence[Assignment],
    known: Known,
) -> Written:
    """Return the code that makes a value right from the values at hand there.

    The state has the values with the mend, and the operations without it; `known` are the
    quantities of the loss.
    """
    if mend.candidate is None or place is None or not wrong:
        return Written()
    ways = [] if mend.unit.nodes else [False]
    ways += [True] if mend.unit.nodes or are_made_for(mend.unit, state, place) else []
    of_sites = (list(sites_of(mend, state, place, wrong, names, is_made)) for is_made in ways)
    with np.errstate(all="ignore"):
        written = (_written(mend, state, wrong, names, sites, known) for sites in of_sites if sites)
        return next(filter(None, written), Written())


def _written(
    mend: Mend,
    state: State,
    wrong: str,
    named: Sequence[Assignment],
    sites: Sequence[Site],
    known: Known,
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
        _last_factors(sites, state, ordered, wrong),
        *altered,
        _by_two(sites, state, ordered, what, lambda: view_of(state, mend.outputs, known).carrying),
    )
    return next(writings, None)


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
                words = _as_of_matrix(words, state.tape[sites[0].scope[name]])
                text = words if "{1}" in words else f"write {words} for {{1}}"
                used = _in_brackets(name, words)
                at = sites[0].node if sites[0].uses and not operand else None
                value = words.split("`")[1].format(used)
                code, node = text.format(used, what), sites[0].scope[name]
                if words.startswith("divide") and _is_surplus(name, what, sites[0], state):
                    code = f"leave the factor {what} out"
                yield Written(code, value, node, at, operand, is_slope)


def _as_of_matrix(words: str, node: Node) -> str:
    """Return the words of a form as they are for a value that may be a matrix."""
    for of, written in OF_MATRICES.items() if node.is_matrix else ():
        words = words.replace(of, written)
    return words


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
    sites: Sequence[Site],
    state: State,
    names: Sequence[str],
    what: str,
    carrying: Callable[[], frozenset[int]],
) -> Iterator[Written]:
    """Yield the code that multiplies every wrong value by two names, or divides it by them.

    What carries an adjoint is not multiplied by another such value: that fits one sample by chance.
    """
    operands = state.tape[sites[0].node].operands  # the wrong value itself is mended
    if len(names) > 1 and not (several := carrying()).isdisjoint(operands):
        names = [name for name in names if sites[0].scope[name] not in several]
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


def _last_factors(
    sites: Sequence[Site], state: State, names: Sequence[str], wrong: str
) -> Iterator[Written]:
    """Yield the slope to write for the last factors of a product, which are no operand of it.

    These are `a * (1 - a)` of `delta @ W.T * a * (1 - a)`.
    """
    for before, factors in last_factors(expression_of(wrong)):
        of_rest = [_used_as(site, ast.unparse(before)) for site in sites]
        if len(factors) < 2 or None in of_rest:
            continue
        rest = [state.at(used) for used in of_rest if used is not None]
        for words, form in OF_OUTPUTS:
            for name in names:
                outputs = [state.at(site.scope[name]) for site in sites]
                slopes = [[form(value, value) for value in values] for values in outputs]
                made = map(product, rest, slopes)
                if all(same(*pair) for pair in zip(made, (s.expected for s in sites), strict=True)):
                    last = " * ".join(_in_brackets(ast.unparse(one), "") for one in factors)
                    slope = words.strip("`").format(_in_brackets(name, words))
                    code, node = f"write `{slope}` for `{last}`", sites[0].scope[name]
                    yield Written(code, slope, node, None, last, True)


def _used_as(site: Site, text: str) -> int | None:
    """Return the operand of the wrong expression that is written so; None if there is none."""
    return next(
        (
            used
            for own, _, used in site.uses
            if (expression := expression_of(own)) and ast.unparse(expression) == text
        ),
        None,
    )


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
