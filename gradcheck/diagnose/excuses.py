"""Gradients that are right but for a small number that the loss adds before it takes a log.

A loss -log(p + 1e-8) and the gradient p - y differ by some 1e-8 / p. The number is there to keep
the loss finite, and nobody means it to be differentiated.
"""

from __future__ import annotations

from dataclasses import replace

from gradcheck.compare.verdict import Block
from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.fits import Target

LARGEST_ERROR = 1e-3


def right_without_eps(evidence: Evidence) -> tuple[str, ...]:
    """The names of the wrong blocks that are the gradient of the loss without that number."""
    view = evidence.network
    if view is None or not view.loss_function.eps:
        return ()
    values = evidence.first.values
    trace = view.trace(values)
    excused = []
    for layer in view.layers:
        number = layer.number
        predicted = view.block_gradients(
            values, number, trace.activations[number - 1], trace.deltas[number - 1]
        )
        for index in layer.blocks:
            block = evidence.blocks[index]
            target = Target.of(evidence.points[:1], view, number, index)
            found = None if target is None else target.fit([predicted[index]], penalties=False)
            small = block.max_rel_error is not None and block.max_rel_error < LARGEST_ERROR
            if block.verdict == "wrong" and small and found is not None and found.exact:
                excused.append(block.name)
    return tuple(excused)


def excuse(blocks: tuple[Block, ...], names: tuple[str, ...]) -> tuple[Block, ...]:
    """The blocks, with those of these names called right."""
    return tuple(
        replace(block, verdict="ok", wrong_entries=0) if block.name in names else block
        for block in blocks
    )
