"""The place in the source that a mend blames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION, PRODUCT, SLOPE, VALUE
from gradcheck.trace.faults.levels import COMPREHENSIONS, levels_up
from gradcheck.trace.faults.namings import (
    assigned_to,
    copied_elsewhere,
    handed_back,
    handed_through,
    listed,
    naming,
    returned_for,
    used_rightly,
)
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.names import WRITES
from gradcheck.trace.record.nodes import Assignment, Node
from gradcheck.trace.record.places import Call, Chain, Place
from gradcheck.trace.wording.operand_text import place_of_use, with_place
from gradcheck.trace.wording.words import Words


@dataclass(frozen=True)
class Blame:
    """A place to change, other places that belong to it, and the one that makes the wrong value.

    The last is None if it is the place itself.
    """

    place: Place | None
    also: tuple[Place, ...] = ()
    inside: Place | None = None

    @property
    def expression(self) -> str:
        """The text of the place."""
        return "" if self.place is None else self.place.source

    @property
    def value(self) -> str:
        """The text of the wrong value."""
        return self.expression if self.inside is None else self.inside.source

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
    mend: Mend, view: View, assignments: Sequence[Assignment], words: Words, is_right: bool = False
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
    names = naming(assignments)
    if not places:  # an argument of the user's function, which can only name it or use it
        given = {node.index, *node.operands}
        name = next((one.place for one in names if one.node in given), None)
        return _first_use(state, node.index) if name is None else Blame(name)
    if mend.unit.nodes:
        # a value in a dict was computed, or got its name, before it was put there
        named = _named_as_another(mend, view, names, is_right)
        if named is not None:
            return Blame(named, (places[0],))
        copied = copied_elsewhere(state, made) if is_right else None
        return Blame.at(made.chain) if copied is None else Blame(copied, (places[0],))
    return _blame_operand(mend, view, made, assignments, words)


def _named_as_another(
    mend: Mend, view: View, names: Sequence[Assignment], is_right: bool
) -> Place | None:
    """Return the last plain assignment of a value that is right for something else; or None.

    The value may be an array that the passes of a loop write.
    """
    state, index = view.state, mend.unit.nodes[-1]
    named = [one for one in names if one.node == mend.unit.first and one.names_anew]
    if is_right and named:
        return named[-1].place
    while not named and len(users := state.consumers[index]) == 1:
        index = users[0]
        if state.tape[index].name not in WRITES:
            return None
        named = [one for one in names if one.node == index and one.names_anew]
    known = view.explained.get(index, ())
    is_other = any(mend.candidate and one.key != mend.candidate.key for one in known)
    return named[-1].place if named and is_other else None


def _first_use(state: State, index: int) -> Blame:
    """Blame the first use of an argument of the user's function, after our own conversions."""
    users = state.consumers[index]
    while users:
        used = next((state.tape[user] for user in users if state.tape[user].chain), None)
        if used is not None:
            return Blame.in_use(used, index)
        if len(users) > 1:
            break
        index, users = users[0], state.consumers[users[0]]
    return Blame(None)


def _blame_operand(
    mend: Mend, view: View, made: Node, assignments: Sequence[Assignment], words: Words
) -> Blame:
    """Return the place where a wrong operand was chosen; `made` is its user, with a place."""
    state, node = view.state, view.state.tape[mend.unit.first]
    places = [call.place for call in made.chain]
    operand = mend.unit.uses[0][1]
    source = state.tape[operand]
    returned = returned_for(mend, state, made, assignments)
    is_part = mend.candidate is not None and mend.candidate.kind == CONTRIBUTION
    if returned is None and (is_part or source.index not in view.carrying):
        returned = handed_back(mend, operand, made, assignments, words)
    returned = returned or handed_through(mend, view, made, assignments, words)
    if returned is not None:
        return Blame(returned, tuple(places[:2]))
    within = _level_in_helper(mend, view, source, made, words)
    names = naming(assignments)
    handed_on = assigned_to(node, operand, made.chain[0], names) if mend.unit.is_series else None
    if handed_on and within is None and not used_rightly(handed_on, operand, view, mend):
        return Blame(handed_on.place, tuple(places[:2]))  # to the next pass of the loop
    put = listed(mend, state, made, names)
    if put is not None:
        return Blame(put.place, tuple(places[:2]))
    if source.chain and (within is not None or view.is_idle(source.index)):
        place = source.chain[within or 0].place
        return Blame(place, (places[0],))
    added = _added_by_the_loss(mend, view, words)
    is_at_hand = added in made.chain[0].code.co_varnames
    up = 0 if is_at_hand else levels_up(mend, view, made, words)
    place, also = places[up], (*places[up + 1 : up + 3], *places[:up])
    is_turned = _is_moved_wrongly(mend, view, source)  # the right value, with entries moved
    calls = () if is_turned else made.chain[: up + 1]
    assigned = (assigned_to(node, operand, call, names) for call in calls)
    assignment = next(filter(None, assigned), None)
    known = [one.node for one in view.explained.get(operand, ()) if one.kind == VALUE]
    is_its_name = assignment is not None and assignment.target in map(words.name, known)
    if assignment and not is_its_name and not used_rightly(assignment, operand, view, mend):
        return Blame(assignment.place, (place, *also))
    made_at = None
    if added is None and not is_turned and not _is_as_in_the_loss(mend, view, source, made, words):
        made_at = _made_for(mend, state, source, made.chain[up])
    elif source.chain and added in [*map(words.name, words.parameters)]:
        made_at = source.chain[0].place if source.chain[0].code is made.chain[0].code else None
    if made_at is not None and made_at.line != place.line:
        return Blame(made_at, (place, *also))
    if mend.candidate is not None and node.operation in ("add", "subtract") and not up:
        place = place_of_use(made, node, operand) or place
    return Blame(place, also)


def blame_use(mend: Mend, view: View, assignments: Sequence[Assignment], words: Words) -> Blame:
    """Blame the operation that uses the replaced value, or the helper that made it incomplete.

    If all uses take it by a name that a plain assignment gave it, that assignment is blamed.
    """
    made = with_place(view.state, view.state.tape[mend.unit.first])
    source = view.state.tape[mend.unit.uses[0][1]]
    users = [with_place(view.state, view.state.tape[user]) for user, _ in mend.unit.uses]
    through = handed_through(mend, view, made, assignments, words)
    if through is not None:
        return Blame(through, (made.chain[0].place,))
    names = naming(assignments)
    named = [assigned_to(one, source.index, one.chain[0], names) for one in users if one.chain]
    first = named[0] if named and all(one == named[0] for one in named) else None
    if first is not None and not used_rightly(first, source.index, view, mend):
        return Blame(first.place, Blame.at(source.chain).also)
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
    levels = [
        level
        for level, call in enumerate(source.chain[:depth])
        if call.code not in words.codes and call.code.co_name not in COMPREHENSIONS
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


def _is_as_in_the_loss(mend: Mend, view: View, source: Node, made: Node, words: Words) -> bool:
    """True if the function that uses a value computes it in the words of the loss: it is right."""
    if mend.candidate is None or mend.candidate.kind != VALUE or not source.chain:
        return False
    explained = (one for one in view.explained.get(source.index, ()) if one.kind == VALUE)
    return source.chain[0].code is made.chain[0].code and any(
        words.nodes[one.node].source == source.source for one in explained
    )


def _made_for(mend: Mend, state: State, source: Node, used: Call) -> Place | None:
    """Return where the function that uses an operand has it made for this use alone, or None."""
    consumers = {consumer for consumer, _ in mend.unit.uses}
    if not consumers.issuperset(state.consumers[mend.unit.uses[0][1]]):
        return None
    return next((call.place for call in source.chain if call.code is used.code), None)


def outside_the_loss(blamed: Blame, node: Node, state: State, words: Words) -> Blame:
    """Blame the innermost call that the loss does not run, if a place inside of it is blamed.

    An operation that the loss runs too is right; the call that gave it something else is not.
    """
    chain = with_place(state, node).chain
    shared = list(takewhile(words.calls.__contains__, chain))
    inside = blamed.place
    if inside is None or len(shared) == len(chain):
        return blamed
    if not any(call.place.covers(inside) for call in shared):
        return blamed
    outside = [call.place for call in chain[len(shared) :]]
    return Blame(outside[0], (*outside[1:2], inside), inside)


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
