"""How the user may have made a delta, and what follows from it for the blocks of its layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gradcheck.diagnose.fits import Fit, is_among
from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import Link, Rule, Variant, WrongLink, detectors
from gradcheck.recognition.layers import Layer
from gradcheck.user.blocks import Array

Named = tuple[Rule, Variant]


@dataclass(frozen=True)
class Derivation:
    """A way in which the user may have made delta.

    `links` is what is wrong in it, nearest to the loss first; `deltas` what it gives at every
    point; `fits` how the gradients of the layer's blocks follow from it, of those that do.
    """

    links: tuple[Named, ...]
    deltas: tuple[Array, ...]
    fits: Mapping[int, Fit] = field(default_factory=dict)


@dataclass(frozen=True)
class Own:
    """A block that is made wrongly from a delta that is known, by rules that fit equally well."""

    block: int
    named: tuple[Named, ...]
    fit: Fit


@dataclass(frozen=True)
class WalkedLayer:
    """What the walk found at one layer.

    `best` are the derivations that give most of its gradients with the fewest wrong links, `own`
    the blocks that are wrong though delta is known, `inherited` the factors from above, 1 among
    them.
    """

    layer: Layer
    best: tuple[Derivation, ...]
    own: tuple[Own, ...]
    inherited: tuple[float, ...]

    @property
    def explained(self) -> tuple[int, ...]:
        """The blocks that the user's delta gives."""
        return tuple(self.best[0].fits) if self.best else ()

    def is_inherited(self, block: int) -> bool:
        """Whether nothing is new in how a block follows from delta: no factor, no penalty."""
        found = self.best[0].fits[block]
        return is_among(found.factor, self.inherited) and found.penalty_right


def aligned(
    states: Sequence[LayerState], rules: Sequence[Rule], link: Link
) -> Iterator[tuple[Named, tuple[Array, ...]]]:
    """The variants of one link, with their values at every point, where the shapes allow them."""
    for rule, detector in detectors(rules, WrongLink):
        if detector.link is not link:
            continue
        columns = [list(detector.variants(state)) for state in states]
        for variants in zip(*columns, strict=False):
            values = tuple(variant.value for variant in variants)
            pairs = zip(values, states, strict=True)
            if all(value.shape == _shape(link, state) for value, state in pairs):
                yield (rule, variants[0]), values


def _shape(link: Link, state: LayerState) -> tuple[int, ...]:
    samples, units = state.pre_activation.shape
    inputs = state.layer_input.shape[1]
    shapes: dict[Link, tuple[int, ...]] = {
        Link.LAYER_INPUT: (samples, inputs),
        Link.PRODUCT: (inputs, units),
        Link.BIAS_SUM: (units,),
    }
    return shapes.get(link, (samples, units))
