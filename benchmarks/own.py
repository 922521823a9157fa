"""gradcheck's own ways: the two tiers of the structured engine, and a whole check."""

from __future__ import annotations

import time

import numpy as np

import gradcheck
from benchmarks.networks import Setting
from benchmarks.peers import Timing
from gradcheck.numeric.structured import LITERAL, SHARED_LINES, structured_gradient
from gradcheck.recognition.dense import as_blocks, dense_network
from gradcheck.recognition.identify import from_network
from gradcheck.recognition.layers import group_layers
from gradcheck.user.problem import Problem
from gradcheck.user.structures import flatten

REPETITIONS = 3
LONG = 5.0


def tier(setting: Setting, name: str, repetitions: int = REPETITIONS) -> Timing:
    """Every weight and bias by one tier, error bounds included; the fastest of a few."""
    parameters = flatten(setting.params)
    problem = Problem(
        parameters, setting.loss, None, setting.inputs, setting.targets, setting.network
    )
    layers = group_layers(parameters.names, parameters.shapes)
    view = from_network(problem, setting.network, layers)
    network = dense_network(view, parameters.values)
    seconds = []
    while len(seconds) < repetitions and not (seconds and seconds[-1] > LONG):
        start = time.perf_counter()
        found = as_blocks(view, parameters.values, structured_gradient(network, name), 1e-3)
        seconds.append(time.perf_counter() - start)
    analytic = setting.grad(setting.params)
    error = max(
        float(np.abs(block.estimates.value - analytic[key].ravel()).max())
        / float(np.abs(analytic[key]).max())
        for key, block in zip(setting.params, found, strict=True)
    )
    return Timing(name, min(seconds), None, error)


def literal(setting: Setting) -> Timing:
    """Every weight and bias moved by itself."""
    return tier(setting, LITERAL)


def shared_lines(setting: Setting) -> Timing:
    """Every pre-activation moved."""
    return tier(setting, SHARED_LINES)


def whole_check(setting: Setting) -> Timing:
    """`check` as a user calls it: preflight, recognition, the tie to the loss, the verdict."""
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        report = gradcheck.check(
            setting.loss,
            setting.params,
            setting.grad,
            inputs=setting.inputs,
            targets=setting.targets,
        )
        seconds.append(time.perf_counter() - start)
        if not (report.ok and report.coverage.complete and report.coverage.tied):
            raise SystemExit(f"the check of {setting.name} is not what was to be timed:\n{report}")
    return Timing("check()", min(seconds))


OWN = (literal, shared_lines, whole_check)
