"""The stages of a check, in the order in which data flows through them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradcheck.compare.elsewhere import Known, wrong_elsewhere
from gradcheck.compare.endings import within_jumps
from gradcheck.compare.point import Point
from gradcheck.compare.stages import Plan, compare
from gradcheck.diagnose.engine import (
    INTERRUPTED,
    OUT_OF_TIME,
    Diagnosis,
    diagnose,
    require_rules,
    why_not,
)
from gradcheck.diagnose.excuses import excuse
from gradcheck.diagnose.targets import hold_targets
from gradcheck.errors import OutOfTimeError
from gradcheck.finding import Finding
from gradcheck.mending.model import Repair
from gradcheck.mending.surroundings import state_kept
from gradcheck.options import Options
from gradcheck.preflight import Preflight, run_preflight, still_repeatable, with_ignored
from gradcheck.progress import Begin, progress_bar
from gradcheck.recognition.identify import identify
from gradcheck.report.build import build_report, unchecked_report
from gradcheck.report.model import Report
from gradcheck.sampling import Coverage, Selection, all_entries, choose_entries
from gradcheck.user.calls import Heard, UserCodeError, quietly
from gradcheck.user.complexes import has_complex, with_convention
from gradcheck.user.evaluation import Effort
from gradcheck.user.layers import make_layer
from gradcheck.user.narrowing import with_gradients_only
from gradcheck.user.own_backward import called_within
from gradcheck.user.problem import Problem

SHORT_LIVED = 2**18
MOST_KEPT = 2**22 - 2**10
"""Smallest and largest size, in numbers, of an array that is allocated and freed before a check.
An allocator such as glibc's then keeps memory for arrays up to this size; larger ones are mapped
anew each time, which takes longer than most operations on them."""

OWN_STREAM = 0x67726164
"""Keeps the random numbers of a check apart from those of the user's `default_rng(seed)`."""

LITERAL_SECONDS = 0.02
"""Seconds that the literal tier of a recognised network may take, unless all entries are asked for;
shared lines give the same derivatives in a fraction of the time."""

NOTHING: Known = {}


class NothingToCompareError(Exception):
    """The loss cannot be compared with anything; the reason is the whole report."""

    def __init__(self, reason: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(reason)
        self.reason, self.findings = reason, findings


def run(problem: Problem, options: Options) -> Report:
    """Checks a problem, and restores everything that the user's code changed.

    Raises:
        UsageError: the arguments, or what the functions return, cannot be checked.
    """
    largest = max((value.size for value in problem.parameters.values), default=0)
    np.empty(min(max(SHORT_LIVED, 2 * largest), MOST_KEPT))  # never touched, and free at once

    def stages(heard: Heard, begin: Begin) -> Report:
        with state_kept(problem) as kept:
            return _with_inner(_stages(kept, options, heard, begin), problem, options)

    return carried_out(problem, options, stages)


def carried_out(
    problem: Problem, options: Options, stages: Callable[[Heard, Begin], Report]
) -> Report:
    """Runs the stages of a check, or reports why they stopped; restores what they changed."""
    require_rules(options.allow)
    start = time.perf_counter()
    with progress_bar() as begin, quietly() as heard, problem.put_back():
        try:
            report = stages(heard, begin)
        except NothingToCompareError as nothing:
            report = unchecked_report(problem, nothing.reason, heard, findings=nothing.findings)
        except UserCodeError as error:
            reason = f"{error.raised.call} raised {error.raised.summary}"
            report = unchecked_report(problem, reason, heard, error.raised)
    return replace(report, seconds=time.perf_counter() - start, printed=heard.text)


def _stages(
    problem: Problem, options: Options, heard: Heard, begin: Begin, known: Known = NOTHING
) -> Report:
    """All stages; `known` is what the preflight cannot see at a point that is not the user's."""
    rng = generator(options.seed)
    if options.noise:
        problem = replace(problem, noise=options.noise)
    problem, first = with_gradients_only(problem)
    if has_complex(problem):
        problem, first = with_convention(problem, rng), None
    preflight, point = run_preflight(problem, rng, first)
    if point is None:
        raise _nothing_to_compare(preflight, problem, heard)
    seconds = point.noise.seconds
    selection = choose_entries(problem.parameters, options.entries, options.budget, seconds, rng)
    boxed = problem.bounds is not None or bool(options.noise)
    if problem.bounds is not None:
        selection = selection.within(problem.bounds)
    (own,) = rng.spawn(1)  # so that the recognition changes no point that is drawn later
    allowed = options.budget / max(seconds, 1e-9) if options.entries == "auto" else np.inf
    literal = options.budget if options.entries == "all" else min(options.budget, LITERAL_SECONDS)
    identity = identify(point.problem, point.noise.relative, seconds, own)
    plan = Plan(
        selection.entries,
        options.rtol,
        screening=options.entries == "auto" and not selection.coverage.complete and not boxed,
        identity=identity if options.entries in ("all", "auto") and not boxed else None,
        effort=Effort(literal, options.workers, begin, allowed),
    )
    point = compare(point, plan, rng)
    for tried in () if known or boxed else wrong_elsewhere(point, preflight.unmoved, rng):
        point = replace(point, evaluations=point.evaluations + tried.evaluations)
        there = tried.problem
        report = _stages(there, options, heard, begin, tried.known) if there else None
        if report is not None and report.verdict == "fail":
            return report
    preflight = replace(preflight, **known)
    coverage = _coverage(point, selection)
    try:
        preflight = still_repeatable(with_ignored(preflight, point), point)
        if not preflight.usable:
            raise _nothing_to_compare(preflight, problem, heard)
        point = within_jumps(hold_targets(excuse(point, rng)), options.rtol, rng)
        diagnosis = Diagnosis(view=identity.view)
        if options.diagnose:
            diagnosis = diagnose(point, preflight, identity, heard, rng)
    except KeyboardInterrupt:
        diagnosis = INTERRUPTED
    except OutOfTimeError:
        diagnosis = OUT_OF_TIME
    repaired = _repaired(point, diagnosis, options, begin)
    if diagnosis.findings and (diagnosis.unfollowed or has_complex(problem)):
        from gradcheck.mending.located import with_line

        with contextlib.suppress(OutOfTimeError):
            diagnosis = with_line(point, diagnosis, repaired, begin("edits", 0))
    report = build_report(point, preflight, coverage, diagnosis, options, heard)
    return report if repaired is None else replace(report, repair=repaired)


def _coverage(point: Point, selection: Selection) -> Coverage:
    """The entries that were compared: of a recognised network all, else those measured."""
    if point.tie is not None:
        return all_entries(point.problem.parameters)
    count = sum(block.numeric.count for block in point.blocks)
    return selection.coverage if point.interrupted else selection.coverage.measured(count)


def _with_inner(report: Report, problem: Problem, options: Options) -> Report:
    """Adds the findings of functions whose backward pass the user wrote for torch or jax.

    If torch or jax computes the gradient, only such a function can make it wrong.
    """
    layer = problem.layer
    by_hand = problem.gradient_function if layer is None else layer.backward
    if report.verdict != "fail" or by_hand is not None or not options.diagnose:
        return report
    wrong = tuple(block.name for block in report.blocks if block.failed)
    inner: list[Finding] = []
    repair = report.repair
    for function, inputs in called_within(lambda: problem.loss(problem.parameters.values)):
        if layer is not None and function == layer.forward:
            continue
        rule, params = make_layer(function, None, inputs, None, generator(options.seed))
        alone = run(Problem(params, rule.loss, rule.gradient, layered=False, layer=rule), options)
        repair = alone.repair if alone.repair and alone.repair.patches else repair
        owner = getattr(function, "__self__", function)  # a Function's class, of its `apply`
        name = getattr(owner, "__qualname__", "")
        inner += [
            replace(finding, blocks=wrong, message=f"in {name}: {finding.message}")
            for finding in (alone.errors if alone.verdict == "fail" else ())
        ]
    return replace(report, findings=tuple(inner) or report.findings, repair=repair)


def _nothing_to_compare(
    preflight: Preflight, problem: Problem, heard: Heard
) -> NothingToCompareError:
    findings, reason = why_not(preflight, problem, heard)
    return NothingToCompareError(reason, findings)


def _repaired(point: Point, diagnosis: Diagnosis, options: Options, begin: Begin) -> Repair | None:
    if options.repair is None or diagnosis.interrupted:
        return None
    from gradcheck.mending.process import repair

    return repair(point, diagnosis, options.repair, begin("edits", 0))


def generator(seed: int) -> np.random.Generator:
    """A random generator whose numbers differ from those of the user's `default_rng(seed)`.

    An upstream gradient equal to the user's data would be a special case in which bugs can hide.
    """
    return np.random.default_rng((seed, OWN_STREAM))
