"""The runs of one backward function of an engine as a small check, with a sample for each run.

Its loss makes the output's value from the operands' values, times what arrives; its gradient is
what the function adds. No value elsewhere can then be taken for one of these by chance.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.points import Point, Subject
from gradcheck.trace.adjoints.reverse import Adjoints, Edge, adjoints
from gradcheck.trace.locating.engines import Run
from gradcheck.trace.locating.run_layouts import Layout
from gradcheck.trace.record.calling import Trace
from gradcheck.trace.record.graph import evaluate, grouped
from gradcheck.trace.record.nodes import OUTPUT, Node, Reference, Tape, operands_of, own_operation
from gradcheck.trace.wording.operand_text import operand_text, text_of_use

Array = NDArray[Any]


@dataclass(frozen=True)
class SmallCheck:
    """Runs of one backward function in which the same operations are done.

    Attributes:
        runs: the runs.
        points: the loss and the gradient of all runs, with those at each point first in turn.
    """

    runs: tuple[Run, ...]
    points: tuple[Point, ...]

    def called(self, names: Sequence[str]) -> list[str]:
        """Return the blocks of this check that other runs know by these names."""
        every = (one.texts for one in self.runs[0].added)
        return [texts[0] for texts in every if not set(texts).isdisjoint(names)]

    def right(self, name: str, derivatives: Sequence[Adjoints]) -> list[dict[Edge, Array]]:
        """Return by point the right values of what all runs add to the gradient of an operand.

        `derivatives` are those of the whole loss by the values of the gradient's tape.
        """
        uses = []
        for point, whole in zip(self.points, derivatives, strict=True):
            weighted = point.loss_nodes[point.loss_index - 1]
            values = [node.value for node in point.loss_nodes]
            seed = np.zeros(weighted.value.shape)
            arriving = [whole.of_nodes.get(one.output or 0, 0.0) for one in self.runs]
            seed[: len(self.runs)] = arriving
            by_value = adjoints(point.loss_nodes, values, {weighted.operands[0]: seed}).of_nodes
            parts = by_value.get(point.parameters[name], np.zeros(seed.shape))
            of_runs = zip(self.runs, parts[: len(self.runs)], strict=True)
            uses.append({at: one for run, part in of_runs for at, one in run.adding(name, part)})
        return uses


def small_checks(points: Sequence[Point], every: Sequence[Run]) -> Iterator[list[SmallCheck]]:
    """Yield the checks of the runs of each function, those of most runs first.

    The two steps back from `x * x` to x are right together, and left out.
    """
    first = points[0]
    steps = Counter((one.owner, one.added[0].owner) for one in every if one.is_step)
    single = (one for one in every if steps[one.owner, one.added[0].owner] <= 1)
    named = ((one.operation(first.nodes), _named(one, first.nodes)) for one in single)
    for runs in grouped(named).values():
        laid_out = (Layout.of(run, first.nodes) for run in runs if not run.loses_a_part)
        layouts = [one for one in laid_out if one is not None]
        alike = grouped((layout.signature(first.nodes), layout) for layout in layouts)
        checks = (_check(points, several) for several in alike.values())
        yield sorted(filter(None, checks), key=lambda check: -len(check.runs))


def _named(run: Run, nodes: Sequence[Node]) -> Run:
    """Return a step of a loop through all operations with its operand as the operation calls it."""
    text = None if run.use is None else operand_text(nodes[run.use[0]].source, run.use[1])
    if text is None:
        return run
    return replace(run, added=(replace(run.added[0], texts=(ast.unparse(text),)),))


def _with_numbers(points: Sequence[Point], layouts: Sequence[Layout]) -> list[Layout]:
    """Return the layouts with the arguments that are numbers, and not the same in all runs."""
    nodes, first = points[0].nodes, layouts[0]
    several = [(point.nodes, layout) for point in points for layout in layouts]
    numbers = [
        (place, position)
        for index in (*first.forward, *first.backward)
        for place in (first.places[index],)
        for position, argument in enumerate(first.arguments(nodes[index]))
        if isinstance(argument, int | float)
        and len({one.arguments(tape[one.at(place)])[position] for tape, one in several}) > 1
    ]
    return [
        replace(one, numbers=tuple((one.at(place), position) for place, position in numbers))
        for one in layouts
    ]


_Several = Sequence[tuple[Sequence[Node], Layout]]
"""All runs at all points, each with the tape that it is on."""


def _check(points: Sequence[Point], layouts: Sequence[Layout]) -> SmallCheck | None:
    """Return the check of runs that do the same operations, unless these take single numbers."""
    try:
        with np.errstate(all="ignore"):
            whole = _with_numbers(points, layouts)
            turned = ((*points[at:], *points[:at]) for at in range(len(points)))
            made = tuple(_point(several, whole) for several in turned)
    except (TypeError, ValueError, LookupError, AttributeError):
        return None
    return SmallCheck(tuple(one.run for one in layouts), made)


def _point(points: Sequence[Point], layouts: Sequence[Layout]) -> Point:
    """Stack the runs at all points."""
    first = layouts[0]
    several = [(point.nodes, layout) for point in points for layout in layouts]
    names = [one.texts[0] for one in first.run.added]
    tape = _given(several, [*names, first.run.text])
    tape += _numbers(several, len(tape))
    tape += _stacked(several, tape, first.forward, first.outside[0])
    loss = _loss(tape, first.places[first.run.output], len(names))
    start, last = len(tape), len(loss) - 1
    derivatives = adjoints(loss, [node.value for node in loss], {last: np.ones(())})
    tape += _stacked(several, tape, first.backward, first.outside[1])
    trace = _trace(points[0], first, tape)
    outputs = {}
    for one in first.run.added:
        made, outputs[one.texts[0]] = tape[first.places[one.gradient]], len(tape)
        tape.append(own_operation(len(tape), OUTPUT, np.asarray, made.value, made, at=made))
    subject = Subject(tuple(names), list, _followed, _followed, _followed, ())
    parameters = {name: at for at, name in enumerate(names)}
    return Point(loss, last, parameters, derivatives, subject, None, trace, tape, outputs, start)


def _loss(tape: Sequence[Node], output: int, arriving: int) -> list[Node]:
    """Return the tape with the sum of the outputs times what arrives."""
    pair = tape[output], tape[arriving]
    weighted = pair[0].value * pair[1].value
    times = own_operation(len(tape), "multiply", np.multiply, weighted, *pair)
    return [*tape, times, own_operation(len(tape) + 1, "sum", np.sum, np.sum(weighted), times)]


def _followed(packed: Any) -> Any:
    """Stand for a function that has been followed already."""
    raise TypeError


def _trace(point: Point, layout: Layout, tape: Sequence[Node]) -> Trace:
    """Return the trace of a small check's gradient, with the names that the user gave."""
    whole, places = point.gradient.tape, layout.places
    operations = (*layout.forward, *layout.backward)
    leaves = len(tape) - len(operations)
    codes = {call.code for node in tape for call in node.chain}
    names = [
        replace(
            one,
            node=places[one.node],
            position=leaves + sum(at < one.position for at in operations),
        )
        for one in whole.names
        if one.node in places and one.code in codes
    ]
    return Trace(Tape(whole.array_type, list(tape), names=names), (), (), ())


def _given(several: _Several, names: Sequence[str]) -> list[Node]:
    """Return the leaves of a small check."""
    leaves = []
    nodes, first = several[0]
    for at, own in enumerate(first.given):
        pairs = [(tape, layout.given[at]) for tape, layout in several]
        numbers = (layout.run.number for _, layout in several)
        values = [
            number if index is None else tape[index].value
            for (tape, index), number in zip(pairs, numbers, strict=True)
        ]
        name = names[at] if at < len(names) else _called(nodes, own or 0, first)
        leaves.append(Node(at, name, None, (), {}, _in_a_row(values), (), 0, ()))
    return leaves


def _called(nodes: Sequence[Node], index: int, layout: Layout) -> str:
    """Return what the function that makes the output calls a value; else how it was made."""
    users = (nodes[one] for one in layout.forward if index in nodes[one].operands)
    texts = (text_of_use(node, node, index) for node in users if node.chain)
    text = next((one for one in texts if one is not None), None)
    return nodes[index].name if text is None else ast.unparse(text)


def _numbers(several: _Several, count: int) -> list[Node]:
    """Return leaves for the numbers that are not the same in all runs, under their own names."""
    (nodes, first), leaves = several[0], list[Node]()
    for at, (own, position) in enumerate(first.numbers):
        rows = [layout.numbers[at] for _, layout in several]
        pairs = zip(several, rows, strict=True)
        values = [tape[index].arguments[place] for (tape, _), (index, place) in pairs]
        text = operand_text(nodes[own].source, position)
        name = "a number" if text is None else ast.unparse(text)
        leaves.append(Node(count + at, name, None, (), {}, _in_a_row(values), (), 0, ()))
    return leaves


def _stacked(
    several: _Several, tape: Sequence[Node], indices: Sequence[int], outside: int
) -> list[Node]:
    """Return operations of the first run, done on all runs at once, without `outside` calls.

    Raises:
        ValueError: at once they give other values; only sums without what was there before may.
    """
    (nodes, first), made = several[0], list(tape)
    others = {one.old[0] for one in first.run.added if one.old is not None}
    for own in indices:
        place = first.places[own]
        each = [(layout, tape[layout.at(place)]) for tape, layout in several]
        arguments = _joined([layout.arguments(node) for layout, node in each], first.places)
        for index, position in first.numbers:
            if index == own:
                arguments[position] = Reference(first.places[index, position])
        keywords = _joined([dict(node.keywords) for _, node in each], first.places)
        stacked = replace(
            nodes[own],
            index=place,
            function=_of_rows(nodes[own].function),
            arguments=tuple(arguments),
            keywords=keywords,
            value=_in_a_row([node.value for _, node in each]),
            chain=nodes[own].chain[: len(nodes[own].chain) - outside],
            operands=tuple(dict.fromkeys(operands_of([arguments, keywords]))),
        )
        value = evaluate(stacked, [node.value for node in made])
        if not others.isdisjoint((own, *nodes[own].operands)):
            others.add(own)
        elif not np.allclose(value, stacked.value, equal_nan=True):
            raise ValueError
        made.append(replace(stacked, value=value))
    return made[len(tape) :]


def _of_rows(function: Any) -> Any:
    """Return a function that takes rows of numbers; those of `math` take one number."""
    if getattr(function, "__module__", "") != "math":
        return function

    def of_number(*arguments: float) -> float:
        try:
            return float(function(*arguments))
        except (ValueError, OverflowError):  # a point beside may be outside of the domain
            return np.nan

    return np.vectorize(of_number, otypes=[float])


def _joined(several: Sequence[Any], places: Mapping[int, int]) -> Any:
    """Return the arguments of several runs as one; what is no value has to be the same."""
    first = several[0]
    if isinstance(first, Reference):
        return Reference(places[first.index])
    if type(first) is dict:
        return {key: _joined([one[key] for one in several], places) for key in first}
    if type(first) in (list, tuple):
        items = zip(*several, strict=True)
        return type(first)([_joined(item, places) for item in items])
    return first


def _in_a_row(values: Sequence[Any]) -> Array:
    return np.array([np.reshape(value, ()) for value in values])
