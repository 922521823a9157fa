"""The place in the source that a mend blames."""

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
    """A place to change, and other places that belong to it."""

    place: Place | None
    also: tuple[Place, ...] = ()

    @property
    def expression(self) -> str:
        """The text of the place."""
        return "" if self.place is None else self.place.source

    @classmethod
    def at(cls, chain: Chain) -> Blame:
        """Blame the innermost place of a chain of calls, with the next two; none if it is empty."""
        places = [call.place for call in chain]
        return cls(places[0], tuple(places[1:3])) if places else cls(None)

    @classmethod
    def in_use(cls, consumer: Node, operand: int) -> Blame:
        """Blame the place of an operand in the operation that uses it, or that operation."""
        used = cls.at(consumer.chain)
        return replace(used, place=place_of_use(consumer, consumer, operand) or used.place)

    def moved_to(self, place: Place) -> Blame:
        """Blame another place, to which this one belongs."""
        return Blame(place, () if self.place is None else (self.place,))


def blame(
    mend: Mend,
    view: View,
    assignments: list[Assignment],
    words: Words,
    is_right: bool = False,
) -> Blame:
    """Return the place that a mend blames.

    A wrong value is blamed where it is computed. A value that is right for something else is blamed
    at the plain assignment that gave it a wrong name. For a wrong operand, the innermost function
    that both computes and uses it is blamed, because the operand was chosen there, or the plain
    assignment that gave it the name under which it is used.
    """
    state, node = view.state, view.state.tape[mend.unit.first]
    made = with_place(state, node)
    places = [call.place for call in made.chain]
    if not places:  # an argument of the user's function, which can only name it or use it
        given = {node.index, *node.operands}
        name = next((one.place for one in assignments if one.node in given), None)
        return _only_use(state, node.index) if name is None else Blame(name)
    if mend.unit.nodes:
        named = [one for one in assignments if one.node == mend.unit.first]
        # a value in a dict was computed, or got its name, before it was put there
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
    """Blame the only use of an argument of the user's function, after our own conversions."""
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
    """Return the place where a wrong operand was chosen; `made` is its user, with a place."""
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
    is_turned = _is_moved_wrongly(mend, view, source)  # the right value, with entries moved
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
    """Blame the operation that uses the replaced value, or the helper that made it incomplete."""
    made = with_place(view.state, view.state.tape[mend.unit.first])
    source = view.state.tape[mend.unit.uses[0][1]]
    if len(mend.unit.uses) > 1 and source.chain:
        return Blame.at(source.chain)
    within = _level_in_helper(mend, view, source, made, words)
    used = Blame.at(made.chain)
    return used if within is None else used.moved_to(source.chain[within].place)


def _level_in_helper(mend: Mend, view: View, source: Node, made: Node, words: Words) -> int | None:
    """Return how many calls up a helper for a derivative stands that returns too little."""
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
    """Return the name of the term that the loss, unlike the gradient, adds to a value; or None."""
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
    """True if the wanted value is the operand itself, with its entries moved."""
    candidate = mend.candidate
    return candidate is not None and any(
        one.key == candidate.key for one in view.explained.get(source.index, ())
    )


def _made_for(mend: Mend, state: State, source: Node, used: Call) -> Place | None:
    """Return where the function that uses an operand has it made for this use alone, or None."""
    consumers = {consumer for consumer, _ in mend.unit.uses}
    if not consumers.issuperset(state.consumers[mend.unit.uses[0][1]]):
        return None
    return next((call.place for call in source.chain if call.code is used.code), None)


def _is_given(made: Node, consumer: Node, operand: int) -> bool:
    """True if the function that uses an operand got it as an argument.

    Values that it reads from its own names, or from its object, it chose itself.
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
    """Return how many calls up, at most `up`, a function also uses the operand rightly.

    That function got the right value and passed it on; its callers chose nothing.
    """
    operand = mend.unit.uses[0][1]
    others = set(state.consumers[operand]) - {consumer for consumer, _ in mend.unit.uses}
    used = [state.tape[user].chain for user in others if state.live >> user & 1]
    for level in range(1, up):
        call, outside = chain[level], chain[level + 1 :]
        if any(user and user[0].code is call.code and user[1:] == outside for user in used):
            return level
    return up


def _levels_up(made: Chain, used: Chain) -> int:
    """Return how many calls above the use the innermost common function stands."""
    if not made or not used:
        return 0
    depth = 0
    for maker, user in zip(reversed(made), reversed(used), strict=False):
        if maker.code is not user.code:
            break
        depth += 1
        if maker.instruction != user.instruction:
            break
    return max(0, len(used) - depth) if depth else 0


def _levels_of_leaf(node: Node, view: View) -> int:
    """Return how many calls up the wrong use of a parameter or of data stands.

    It stands in the helper, unless the helper gives right results when it is called from elsewhere.
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
    latest = None
    for assignment in assignments:
        if assignment.node != operand:
            continue
        if consumer.name == OUTPUT:
            latest = assignment
            continue
        text = linecache.getline(used.place.file, used.place.line)
        if (
            assignment.code is used.code
            and assignment.place.line < used.place.line
            and re.search(rf"\b{re.escape(assignment.target)}\b", text)
        ):
            latest = assignment
    return latest


def outside_helper(blamed: Blame, mend: Mend, state: State) -> Blame:
    """Blame the call of a helper whose result is right, if something is missing after it."""
    node = state.tape[mend.unit.first]
    users = state.consumers[node.index]
    if not users or not node.chain or blamed.place != node.chain[0].place:
        return blamed
    up = len(node.chain) - max(len(state.tape[user].chain) for user in users)
    if not 0 < up < len(node.chain):
        return blamed
    places = [call.place for call in node.chain]
    return Blame(places[up], (*places[up + 1 :], *places[:up]))
