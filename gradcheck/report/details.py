"""Further details for `-v`: how the numbers were computed, and why unusual code is right."""

from __future__ import annotations

from collections.abc import Iterable

from gradcheck.compare.point import Point
from gradcheck.recognition.network_view import NetworkView
from gradcheck.user.problem import Problem
from gradcheck.words import listed


def details_of(point: Point, view: NetworkView | None) -> tuple[str, ...]:
    """Return the details of a completed check, one sentence each."""
    return (
        *_of_the_numbers(point),
        *_of_the_structure(point.problem),
        *(() if view is None else _of_the_network(view, point)),
    )


def _of_the_numbers(point: Point) -> Iterable[str]:
    yield (
        f"your loss is {point.center:.9g} here, measured to be precise to "
        f"{point.noise.relative:.1e} of it, and takes {point.noise.seconds:.2g} s"
    )
    if point.tie is not None:
        yield (
            "every entry was perturbed in the network that was recognised "
            f"({point.tie.tier}); your own loss agrees with it in "
            f"{point.tie.evaluations} evaluations, near and far, in every block"
        )
    else:
        steps = [block.numeric.step for block in point.blocks if block.numeric.count]
        if steps:
            yield (
                "finite differences of your own loss, at steps of "
                f"{min(steps):.1e} to {max(steps):.1e} and others where these could not decide"
            )


def _of_the_structure(problem: Problem) -> Iterable[str]:
    for names in problem.parameters.ties:
        yield f"{listed(names)} are one array, so that their gradient is the sum of both"
    if problem.step is not None:
        yield (
            "the gradient is computed from the update, (old - new) / learning_rate: the signs of "
            "the update and of the error can only be checked together"
        )


def _of_the_network(view: NetworkView, point: Point) -> Iterable[str]:
    """Explain what may look wrong, but is right, for layers whose blocks agree."""
    right = {block.name for block in point.blocks if block.verdict == "ok"}
    names = point.problem.parameters.names
    layers = [{names[block] for block in place.layer.blocks} for place in view.placed]
    activation, loss = view.activations[-1].name, view.plain_loss
    if not layers[-1] <= right:
        return
    if activation in loss.fused:
        yield (
            f"delta of the output is a - y with no slope of the {activation}: it cancels with the "
            f"derivative of the {loss.name}"
        )
    if view.scale == 1.0:
        yield "nothing is divided by m: your loss is a sum over the samples"
    if view.scale == 0.5 and loss.name == "squared error":
        yield "there is no factor 2: the half in your loss cancels it"
    if view.batch_size > 1 and abs(view.scale * view.batch_size - 1) < 1e-9:
        yield f"every gradient is divided by m = {view.batch_size} once: your loss is a mean"
    hidden = {one.name for one in view.activations[:-1]}
    if hidden & {"relu", "leaky_relu"} and set().union(*layers) <= right:
        yield "the slope of a relu at exactly 0 may be either: both are right"
    if view.loss_function.eps:
        yield (
            f"your loss adds {view.loss_function.eps:g} before it takes a log; a gradient without "
            "it is not called wrong"
        )
