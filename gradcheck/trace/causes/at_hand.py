"""What to write in place of a wrong value, from the values at hand in the user's function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT, VALUE
from gradcheck.trace.causes.compared import Array, Arrays, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.units import Mend, Unit, in_pass
from gradcheck.trace.record.graph import constant_of, evaluate
from gradcheck.trace.record.names import WRITES
from gradcheck.trace.record.nodes import Assignment
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import expression_of, numbers_in
from gradcheck.trace.wording.operand_text import operand_text
from gradcheck.trace.wording.scope import Operand, names_at, operands_of_expression
from gradcheck.trace.wording.words import SHORT

PASSES, LARGE = 4, 50_000
"""The maximum number of passes of a loop in which it must fit, and of entries of an array."""

DROP = "leave the"

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
        for of, form in (PLAIN[0], *SLOPES[1:])
    ),
    ("divide {1} by `{0}`", lambda wrong, value: wrong / value),
    ("add `{0}` to {1}", lambda wrong, value: wrong + value),
    ("subtract `{0}` from {1}", lambda wrong, value: wrong - value),
)
INNER = (CHANGED[0], *CHANGED[-3:])
"""What an operand of a wrong expression may lack."""

SAYS = {
    "multiply": (fault.FACTOR_MISSING, "the factor `{0}` is missing"),
    "divide": (fault.FACTOR_MISSING, "the division by `{0}` is missing"),
    "add": (fault.PATH_MISSING, "`{0}` is to be added"),
    "subtract": (fault.TERM_MISSING, "`{0}` is to be subtracted"),
    "write": (fault.OTHER_OPERAND, "`{0}` belongs here"),
}
"""The cause of a wrong value, by the first word of the advice."""

TOO_MUCH = {
    "multiply": "what it is multiplied by is one factor too many",
    "divide": "what it is divided by is one factor too many",
    "power": "it is not to be raised to a power",
    "square": "it is not to be squared",
}
"""The cause if the operand of an operation belongs in place of its result."""

TURNS = ("T", "swapaxes(-1, -2)")
"""The attributes and calls that transpose a value."""


@dataclass(frozen=True)
class Written:
    """The code to write in place of a wrong value.

    Attributes:
        code: what to write, in words; empty if nothing at hand makes the value right.
        value: the text of the value at hand.
        node: the index of that value, in a loop that of one pass.
        at: the operation that makes the whole wrong value, if the code replaces that.
        operand: the operand of the wrong expression to replace; empty for the whole expression.
        is_slope: whether the value is the slope of a usual activation, written for its output.
    """

    code: str = ""
    value: str = ""
    node: int = -1
    at: int | None = None
    operand: str = ""
    is_slope: bool = False

    def cause(self, known: Known, state: State, parameters: Sequence[Arrays]) -> Cause | None:
        """Return why the value is wrong, judging from what makes it right."""
        if not self.code:
            return None
        name, words = SAYS[self.code.partition(" ")[0]]
        if self.is_slope and name == fault.FACTOR_MISSING:
            return Cause(fault.SLOPE_MISSING, f"the slope `{self.value}` is missing")
        made = None if self.at is None else state.tape[self.at]
        if name == fault.OTHER_OPERAND and made is not None and self.node in made.operands:
            too_much = TOO_MUCH.get(made.operation)
            return None if too_much is None else Cause(fault.WRONG_FACTOR, too_much)
        if self.operand and name != fault.OTHER_OPERAND:
            name = name if name == fault.FACTOR_MISSING else fault.TERM_MISSING
            return Cause(name, f"`{self.operand}` lacks `{self.value}`")
        words = words.format(self.value) + (f", and not `{self.operand}`" if self.operand else "")
        if self.operand and self.value in (f"{self.operand}.{how}" for how in TURNS):
            return Cause(fault.TRANSPOSED, words)
        is_product = isinstance(expression_of(self.operand), ast.BinOp) and "*" in self.operand
        if name == fault.OTHER_OPERAND and is_product and _is_part(self.value, self.operand):
            return Cause(fault.WRONG_FACTOR, f"`{self.operand}` has a factor too many")
        if name == fault.OTHER_OPERAND:
            values = state.at(self.node)
            kinds = {one.kind for one in known.explaining(values)}
            if ADJOINT in kinds and VALUE not in kinds:
                name = fault.OTHER_ADJOINT
            elif any(same(values, one) for one in parameters):
                name = fault.OTHER_WEIGHTS
        return Cause(name, words)


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
    mend: Mend, state: State, place: Place | None, wrong: str, assignments: Sequence[Assignment]
) -> Written:
    """Return the code that makes a value right from the values at hand there.

    The state has the values with the mend, and the operations without it.
    """
    if mend.candidate is None or place is None or not wrong:
        return Written()
    named = [one for one in assignments if not one.returned]
    sites = list(_sites(mend, state, place, wrong, named))
    if not sites:
        return Written()
    common = set.intersection(*(set(site.scope) for site in sites))
    common -= set() if mend.unit.uses else {wrong}
    names = [one for one in common if not wrong.startswith(f"{one}[")]
    copies = {one.target for one in named}
    made = sites[0].scope  # of equal values, the one made first gives the name
    ordered = sorted(
        names,
        key=lambda text: (not text.isidentifier(), text in copies, made[text], len(text), text),
    )
    what = f"`{wrong}`" if len(wrong) <= SHORT else "it"
    with np.errstate(all="ignore"):
        writings = chain(
            _fitting((*PLAIN, *SLOPES), sites, state, ordered, what),
            _inside((*PLAIN, *SLOPES), sites, state, ordered, wrong),
            _fitting(CHANGED, sites, state, ordered, what),
            _inside(INNER, sites, state, ordered, wrong),
        )
        return next(writings, Written())


def _sites(
    mend: Mend, state: State, place: Place, wrong: str, assignments: Sequence[Assignment]
) -> Iterator[Site]:
    members, unit, count = mend.unit.replaced, mend.unit, mend.passes
    is_made = bool(unit.nodes) or _are_made_for(unit, state, place)
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
            scope = names_at(state, node, place, assignments)
            if not is_made:  # a helper that returns it has it at hand
                scope.setdefault(wrong, members[number])
            uses = operands_of_expression(state, node, place) if is_made else []
            differs = [~np.isclose(*pair, 1e-9, 0) for pair in zip(actual, expected, strict=True)]
            yield Site(node, scope, uses, actual, expected, differs)


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
        for name in names:
            if all(_fits(form, site, state, name, operand) for site in sites):
                text = words if "{1}" in words else f"write {words} for {{1}}"
                used = _in_brackets(name, words)
                at = sites[0].node if sites[0].uses and not operand else None
                value = words.split("`")[1].format(used)
                is_slope = any(of in words for of, _ in OF_OUTPUTS)
                code, node = text.format(used, what), sites[0].scope[name]
                yield Written(code, value, node, at, operand, is_slope)


def _inside(
    forms: Sequence[Form], sites: Sequence[Site], state: State, names: Sequence[str], wrong: str
) -> Iterator[Written]:
    """Yield the code that changes an operand of the wrong expression, or replaces it."""
    for text, *_ in sites[0].uses:
        if text:
            # with a part of the expression, the rest would be in it twice
            others = [one for one in names if not (_is_part(text, one) and _is_part(one, wrong))]
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


def constant_to_drop(mend: Mend, state: State, place: Place) -> str:
    """Return how to drop the size or number that an expression has as a surplus constant."""
    made = state.tape[mend.unit.first]
    name = made.operation
    is_made_here = bool(mend.unit.nodes) and made.place == place
    for position, argument in enumerate(made.arguments if is_made_here else ()):
        constant, text = constant_of(argument, state.tape), operand_text(place.source, position)
        divides = name == "divide" and position == 1
        if not constant or text is None or not (divides or name == "multiply"):
            continue
        if np.isclose(constant if divides else 1 / constant, mend.factor, 1e-9):
            return _dropped(divides, ast.unparse(text), place.source)
    return _number_to_drop(place.source, mend.factor)


def _dropped(divides: bool, constant: str, expression: str) -> str:
    what = "division by" if divides else "factor"
    constant = constant if constant.replace(".", "").isdigit() else f"`{constant}`"
    return f"{DROP} {what} {constant} out of `{expression}`"


def _number_to_drop(expression: str, factor: float) -> str:
    for product, number, divides in numbers_in(expression):
        if np.isclose(number if divides else 1 / (number or np.nan), factor, 1e-9):
            return _dropped(divides, str(number), ast.unparse(product))
    return ""


def _in_brackets(text: str, words: str) -> str:
    """Return a text as an operand, in brackets where the words around it need them."""
    is_sum = isinstance(expression_of(text), ast.BinOp | ast.UnaryOp | ast.Compare)
    return f"({text})" if is_sum and "`{0}`" not in words else text


def _is_part(text: str, of: str) -> bool:
    """True if a text is a part of another, whatever spaces there are."""
    text, of = text.replace(" ", ""), of.replace(" ", "")
    return text in of and text != of


def _swapped(value: Array) -> Array:
    return value.swapaxes(-1, -2) if value.ndim > 2 else np.asarray(np.nan)
