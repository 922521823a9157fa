"""Which place of the source a replacement speaks against."""

from __future__ import annotations

import ast
import linecache
import re
from dataclasses import dataclass, replace

from gradcheck.trace.adjoints.quantities import ADJOINT, PRODUCT, SLOPE, VALUE
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import CALL, Mend
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.nodes import OUTPUT, Assignment, Node
from gradcheck.trace.record.places import Call, Chain, Place, arguments_of
from gradcheck.trace.wording.operand_text import place_of_use, text_of_use, with_place
from gradcheck.trace.wording.words import Words

COMPREHENSIONS = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")


@dataclass(frozen=True)
class Blame:
    """A place to change, and the others that belong to it."""

    place: Place | None
    also: tuple[Place, ...] = ()

    @property
    def expression(self) -> str:
        """The text of what is wrong."""
        return "" if self.place is None else self.place.source

    @classmethod
    def at(cls, chain: Chain) -> Blame:
        """The inmost place of a chain of calls, with the next two; nowhere if it is empty."""
        places = [call.place for call in chain]
        return cls(places[0], tuple(places[1:3])) if places else cls(None)

    @classmethod
    def in_use(cls, consumer: Node, operand: int) -> Blame:
        """Where an operand stands in the operation that uses it; or that operation."""
        used = cls.at(consumer.chain)
        return replace(used, place=place_of_use(consumer, consumer, operand) or used.place)

    def moved_to(self, place: Place) -> Blame:
        """Another place is blamed, to which this one belongs."""
        return Blame(place, () if self.place is None else (self.place,))


def blame(
    mend: Mend,
    view: View,
    assignments: list[Assignment],
    words: Words,
    is_right: bool = False,
) -> Blame:
    """The place of a mend.

    A wrong value is blamed where it is made; one that is right for something else, where a plain
    assignment gave it the name of what it is not. For a wrong operand, the innermost function that
    its making and its use have in common is blamed, because there it was chosen; or a plain
    assignment that gave it the name under which it is used.
    """
    state, node = view.state, view.state.tape[mend.unit.first]
    made = with_place(state, node)
    places = [call.place for call in made.chain]
    if not places:  # what the user's function is given: all that it does is to name it, or use it
        given = {node.index, *node.operands}
        name = next((one.place for one in assignments if one.node in given), None)
        return _only_use(state, node.index) if name is None else Blame(name)
    if mend.unit.nodes:
        named = [one for one in assignments if one.node == mend.unit.first]
        # what a dict is given under a name was made, or got that name, before
        named = [
            one
            for one in named
            if one.place.source != one.target or (one.returned and one.is_argument)
        ]
        if is_right and named:
            return Blame(named[-1].place, (places[0],))
        return Blame.at(made.chain)
    return _blame_operand(mend, view, made, assignments, words)


def _only_use(state: State, index: int) -> Blame:
    """The one use of what the user's function is given, behind what is done before that."""
    users = state.consumers[index]
    while len(users) == 1:
        user = state.tape[users[0]]
        if user.chain:
            return Blame.in_use(user, index)
        index, users = user.index, state.consumers[user.index]
    return Blame(None)


def _blame_operand(
    mend: Mend, view: View, made: Node, assignments: list[Assignment], words: Words
) -> Blame:
    """The place where what is used by a node, `made` where it stands, was chosen."""
    state, node = view.state, view.state.tape[mend.unit.first]
    places = [call.place for call in made.chain]
    operand = mend.unit.uses[0][1]
    source = state.tape[operand]
    within = _level_in_helper(mend, view, source, made, words)
    if source.chain and (within is not None or view.is_idle(source.index)):
        place = source.chain[within or 0].place
        return Blame(place, (places[0],))
    up = 0
    if mend.unit.kind == CALL or _is_given(made, node, operand):
        up = _levels_up(source.chain, made.chain)
        if not source.chain:
            up = _levels_of_leaf(made, view)
        if mend.unit.kind == CALL:
            up = max(up, mend.unit.outer)
    up = _level_of_right_use(mend, state, made.chain, min(up, len(places) - 1))
    place, also = places[up], (*places[up + 1 : up + 3], *places[:up])
    is_turned = _is_moved_wrongly(mend, view, source)  # what has the right name, used so
    calls = () if is_turned else made.chain[: up + 1]
    assigned = (_assigned(node, operand, call, assignments) for call in calls)
    if (assignment := next(filter(None, assigned), None)) is not None:
        return Blame(assignment.place, (place, *also))
    added = _added_by_the_loss(mend, view, words)
    made_at = None
    if added is None and not is_turned:
        made_at = _made_for(mend, state, source, made.chain[up])
    elif (
        added in [*map(words.name, words.parameters)] and source.chain[0].code is made.chain[0].code
    ):
        made_at = source.chain[0].place
    if made_at is not None and made_at.line != place.line:
        return Blame(made_at, (place, *also))
    if mend.candidate is not None and node.operation in ("add", "subtract") and not up:
        place = place_of_use(made, node, operand) or place
    return Blame(place, also)


def blame_use(mend: Mend, view: View, words: Words) -> Blame:
    """The operation that uses what is replaced, or the helper that made too little of it."""
    made = with_place(view.state, view.state.tape[mend.unit.first])
    source = view.state.tape[mend.unit.uses[0][1]]
    if len(mend.unit.uses) > 1 and source.chain:
        return Blame.at(source.chain)
    within = _level_in_helper(mend, view, source, made, words)
    used = Blame.at(made.chain)
    return used if within is None else used.moved_to(source.chain[within].place)


def _level_in_helper(mend: Mend, view: View, source: Node, made: Node, words: Words) -> int | None:
    """How many calls up a helper stands that is there for a derivative, and returns too little."""
    kind = "" if mend.candidate is None else mend.candidate.kind
    if kind != SLOPE and (kind not in (ADJOINT, PRODUCT) or source.index in view.carrying):
        return None
    used = {call.code for call in made.chain}
    depth = next((i for i, call in enumerate(source.chain) if call.code in used), 0)
    of_the_loss = {call.code for one in words.nodes for call in one.chain}
    levels = [
        level
        for level, call in enumerate(source.chain[:depth])
        if call.code not in of_the_loss and call.code.co_name not in COMPREHENSIONS
    ]
    return levels[-1] if levels else None


def _added_by_the_loss(mend: Mend, view: View, words: Words) -> str | None:
    """What the loss adds to a value where it uses it, and the gradient does not, by its name."""
    candidate = mend.candidate
    if candidate is None or candidate.kind != VALUE:
        return None
    wanted = words.nodes[candidate.node]
    explained = [one for index in mend.unit.replaced for one in view.explained.get(index, ())]
    is_now = {one.node for one in explained if one.kind == VALUE}
    if wanted.operation not in ("add", "subtract") or not is_now.intersection(wanted.operands):
        return None
    others = [words.name(index) for index in wanted.operands if index not in is_now]
    return others[0] if others else ""


def _is_moved_wrongly(mend: Mend, view: View, source: Node) -> bool:
    """Whether what is wanted is what an operand is, with its entries elsewhere."""
    candidate = mend.candidate
    return candidate is not None and any(
        one.key == candidate.key for one in view.explained.get(source.index, ())
    )


def _made_for(mend: Mend, state: State, source: Node, used: Call) -> Place | None:
    """Where the function that uses an operand had it made, if it did for this use alone."""
    consumers = {consumer for consumer, _ in mend.unit.uses}
    if not consumers.issuperset(state.consumers[mend.unit.uses[0][1]]):
        return None
    return next((call.place for call in source.chain if call.code is used.code), None)


def _is_given(made: Node, consumer: Node, operand: int) -> bool:
    """Whether the function that uses an operand was given it as an argument.

    What it reads from its own names, or from its object, it chose itself.
    """
    code = made.chain[0].code
    if code.co_name in COMPREHENSIONS:
        return True
    expression = text_of_use(made, consumer, operand)
    while isinstance(expression, ast.Attribute | ast.Subscript):
        if isinstance(expression, ast.Attribute) and expression.attr != "T":
            return False
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return True
    return expression.id in arguments_of(code)


def _level_of_right_use(mend: Mend, state: State, chain: Chain, up: int) -> int:
    """How many calls up a function stands that uses what is used wrongly rightly as well.

    It was given the right value, and handed it on; what stands further out chose nothing.
    """
    operand = mend.unit.uses[0][1]
    others = set(state.consumers[operand]) - {consumer for consumer, _ in mend.unit.uses}
    used = [state.tape[one].chain for one in others if state.live >> one & 1]
    for level in range(1, up):
        here, outside = chain[level], chain[level + 1 :]
        if any(one and one[0].code is here.code and one[1:] == outside for one in used):
            return level
    return up


def _levels_up(made: Chain, used: Chain) -> int:
    """How many calls up from its use the innermost common function stands."""
    if not made or not used:
        return 0
    depth = 0
    for one, other in zip(reversed(made), reversed(used), strict=False):
        if one.code is not other.code:
            break
        depth += 1
        if one.instruction != other.instruction:
            break
    return max(0, len(used) - depth) if depth else 0


def _levels_of_leaf(node: Node, view: View) -> int:
    """How many calls up the wrong use of a parameter or of data stands.

    It stands in a helper, unless that gives right results where it is called from elsewhere.
    """
    if len(node.chain) < 2:
        return 0
    elsewhere = [
        other.index
        for other in view.state.tape
        if other.chain[:1] == node.chain[:1] and other.chain[1:] != node.chain[1:]
    ]
    if not any(view.is_known(index) for index in elsewhere):
        return 0
    up = 0
    while up < len(node.chain) - 1 and node.chain[up].code.co_name in COMPREHENSIONS:
        up += 1
    return up + 1


def _assigned(
    consumer: Node, operand: int, used: Call, assignments: list[Assignment]
) -> Assignment | None:
    found = None
    for assignment in assignments:
        if assignment.node != operand:
            continue
        if consumer.name == OUTPUT:
            found = assignment
            continue
        text = linecache.getline(used.place.file, used.place.line)
        if (
            assignment.code is used.code
            and assignment.place.line < used.place.line
            and re.search(rf"\b{re.escape(assignment.target)}\b", text)
        ):
            found = assignment
    return found


def outside_helper(blamed: Blame, mend: Mend, state: State) -> Blame:
    """The call of a helper whose result is right, where something is missing after it."""
    node = state.tape[mend.unit.first]
    users = state.consumers[node.index]
    if not users or not node.chain or blamed.place != node.chain[0].place:
        return blamed
    up = len(node.chain) - max(len(state.tape[user].chain) for user in users)
    if not 0 < up < len(node.chain):
        return blamed
    places = [call.place for call in node.chain]
    return Blame(places[up], (*places[up + 1 :], *places[:up]))
