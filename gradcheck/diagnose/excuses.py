"""Gradients that are right but for a small number that the loss adds before it takes a log.

A loss -log(p + 1e-8) and the gradient p - y differ by some 1e-8 / p. The number is there to keep
the loss finite, and nobody means it to be differentiated.
"""

from __future__ import annotations

from dataclasses import replace

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.diagnose.fits import Target
from gradcheck.recognition.network_view import NetworkView

LARGEST_ERROR = 1e-3


def excuse(point: Point, view: NetworkView | None) -> Point:
    """The point, with the wrong blocks right that are the gradient of the loss without that number.

    Args:
        point: compared.
        view: the network, if one is known.
    """
    if view is None or not view.loss_function.eps:
        return point
    predicted = view.gradients(point.values)
    blocks = list(point.blocks)
    for layer in view.layers:
        for index in layer.blocks:
            target = Target.of([point], view, layer.number, index)
            fit = None if target is None else target.fit([predicted[index]], penalties=False)
            if fit is not None and fit.exact and _is_slightly_wrong(blocks[index]):
                blocks[index] = replace(blocks[index], verdict="ok", wrong_entries=0, excused=True)
    return point.with_blocks(blocks)


def _is_slightly_wrong(block: Block) -> bool:
    return (
        block.verdict == "wrong"
        and block.max_rel_error is not None
        and block.max_rel_error < LARGEST_ERROR
    )
