"""Whether a loss could be that of a dense network, by what its parameters are multiplied with."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.trace.names import MOVES, split_names
from gradcheck.trace.operations import base_name
from gradcheck.trace.points import Array, NotFollowedError, Subject, follow_loss

PRODUCTS = split_names("matmul dot inner einsum tensordot")


def may_be_dense(subject: Subject, values: Sequence[Array]) -> bool:
    """Whether no product joins two values that were both made of parameters, in another way.

    A dense network multiplies a parameter as it is with what other parameters made; attention and
    recurrent networks do not. True where the loss cannot be followed.
    """
    try:
        loss = follow_loss(subject, values)
    except NotFollowedError:
        return True
    made_of: list[frozenset[str]] = []
    as_it_is: list[str | None] = []
    root: list[int] = []
    names = {index: name for name, index in loss.parameters.items()}
    for node in loss.nodes:
        name = names.get(node.index)
        above = frozenset((name,)) if name else frozenset[str]()
        made_of.append(above.union(*(made_of[operand] for operand in node.operands)))
        moved = base_name(node) in MOVES and len(node.operands) == 1
        as_it_is.append(as_it_is[node.operands[0]] if moved else name)
        root.append(root[node.operands[0]] if moved else node.index)
        if base_name(node) not in PRODUCTS or len(node.operands) != 2 or node.value.size == 1:
            continue
        one, other = node.operands
        if not made_of[one] or not made_of[other] or root[one] == root[other]:
            continue
        if not any(
            as_it_is[mine] is not None and as_it_is[mine] not in made_of[its]
            for mine, its in ((one, other), (other, one))
        ):
            return False
    return True
