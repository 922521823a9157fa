"""Reports with invented pictures, for the renderers that draw them."""

from dataclasses import replace

from gradcheck.compare.block import Block, Worst
from gradcheck.finding import Finding
from gradcheck.pictures.model import (
    HeatMap,
    LayerPicture,
    Pictures,
    Scatter,
    SlopeRatio,
    SlopeTest,
    StepCurve,
)
from gradcheck.report.model import Report
from gradcheck.sampling import Coverage
from gradcheck.user.calls import Location

INF, NAN = float("inf"), float("nan")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred",
    "]]>",
    "{{ 7*7 }}",
    "' onmouseover='alert(1)",
    "$\\frac$",
    "line\nbreak \x00\u202e\ud800",
)


def pictures_of(name, errors=((1e-13, 2.0), (None, INF))):
    """Every kind of picture of one block."""
    return Pictures(
        inputs=12,
        layers=(LayerPicture(1, 7, "relu", ((name, "wrong"), ("b1", "ok"))),),
        heat_maps=(HeatMap(name, (2, 2), errors, (1, 1), (0, 1), (0, 1)),),
        scatters=(Scatter(name, (0.5, -1.0, 2.0), (0.5, 3.0, 2.0), (False, True, False)),),
        step_curve=StepCurve(name, (0, 1), (1e-8, 1e-5, 1e-2), (1e-6, 0.0, 1e-4), (1.0, 1.0, 1.0)),
        slope_ratios=(SlopeRatio(1, "relu", (-1.0, 2.0), (0.5, 1.0)),),
        slope_test=SlopeTest((0.1, 0.01, 0.001), (1e-2, 1e-4, 0.0), 1e-15, 2.0),
    )


def block_of(name, verdict="wrong"):
    return Block(name, (2, 2), verdict, 4, 1, 0, 4.0, 2.0, 1e-9, 1e-9, Worst((0, 1), 3.0, -1.0))


def report_of(name="W1", pictures=None, **changes):
    report = Report(
        verdict="fail",
        blocks=(block_of(name), Block("b1", (2,), "ok", 2)),
        findings=(
            Finding(
                code="GC101",
                rule="missing-batch-mean",
                blocks=(name,),
                message=f"dL/d {name} is 8 times too large",
                evidence=("analytic / numeric = 8", "b1 is right"),
                fix="X.T @ dZ1 / m",
                error_after_fix=5.2e-11,
                location=Location(__file__, 1),
                also=(Location("/nowhere/nets.py", 7),),
                equally=("GC102",),
            ),
        ),
        network="12-7 relu",
        coverage=Coverage(6, 8, "entries=4 per block"),
        evaluations=1234,
        seconds=0.25,
        layers=("layer 1: all else right", "b1 is right"),
        notes=("the step is small",),
        details=("the loss is repeatable",),
        sketch=pictures_of(name) if pictures is None else pictures,
        reproduce="gradcheck run nets.py --seed 3",
    )
    return replace(report, **changes)
