"""Reports made by hand, for what renderers make of them; and names that try to break out."""

from gradcheck.compare.block import Block, Worst
from gradcheck.finding import BackwardStep, Finding
from gradcheck.pictures.model import HeatMap, LayerPicture, Pictures, Scatter, SlopeRatio, StepCurve
from gradcheck.report.model import Report
from gradcheck.report.outcome import Outcome
from gradcheck.sampling import Coverage
from gradcheck.user.calls import Location

LINE = Location("nets/mlp.py", 41)

PICTURES = Pictures(
    inputs=3,
    layers=(
        LayerPicture(1, 4, "tanh", (("W1", "wrong"), ("b1", "ok"))),
        LayerPicture(2, 2, "softmax", (("W2", "ok"), ("b2", "ok"))),
    ),
    heat_maps=(
        HeatMap(
            "W1",
            (3, 4),
            ((7.0, 6.5, 7.1, 1e-11), (6.9, 7.0, 3.0, None), (0.0, 7.0, 7.0, 7.0)),
            (1, 1),
            (1, 1),
            (1, 1),
        ),
    ),
    scatters=(
        Scatter("W1", (-0.15, 0.2, 0.05), (-1.2, 1.6, 0.4), (True, True, False)),
        Scatter("b1", (0.1, -0.3), (0.1, -0.3), (False, False)),
    ),
    step_curve=StepCurve("W1", (1, 1), (1e-8, 1e-5, 1e-2), (1e-6, 1e-10, 1e-4), (7.0, 7.0, 7.0)),
    slope_ratios=(SlopeRatio(1, "tanh", (-1.0, 0.2, 1.4), (0.5, 1.0, 2.5)),),
)

WRONG = Report(
    verdict="fail",
    blocks=(
        Block(
            "W1",
            (3, 4),
            "wrong",
            12,
            12,
            0,
            1.05,
            7.0,
            1.8e-10,
            1.2e-09,
            Worst((1, 1), -1.201587, -0.1501984),
            (3, 4),
        ),
        Block(
            "b1", (4,), "ok", 4, 0, 1, 4.6e-11, 1e-10, 1.8e-10, 1e-09, Worst((0,), 0.1, 0.1), (4,)
        ),
        Block("W2", (4, 2), "inconclusive", 8, 0, 0, 1e-3, 1e-2, 1e-3, 1e-2),
        Block("b2", (2,), "shape", 2, error_bound=9e-11, analytic_shape=(8, 2)),
        Block("cache", (9,), "not checked", 0),
    ),
    findings=(
        Finding(
            "GC101",
            "missing-batch-mean",
            ("W1",),
            "the gradient of W1 is 8 times too large, and the batch size is 8",
            ("b1 is right and W1 is not: only this product is off", "analytic / numeric = 8.0"),
            "X.T @ dZ1 / m   (or sum in the loss: the two must agree)",
            5.2e-11,
            LINE,
            (Location("nets/mlp.py", 50),),
            ("GC104",),
        ),
        Finding(
            "GC801",
            "parameters-mutated",
            (),
            "your gradient changes W1 in place",
            ("it is given copies",),
            "p = dict(p)",
            severity="warning",
        ),
    ),
    network="3-4-2 tanh/softmax, cross-entropy, mean over samples, m = 8",
    coverage=Coverage(26, 26, engine="literal", tied=120),
    evaluations=240,
    seconds=0.0312,
    layers=("layer 2: W2 inconclusive, b2 has another shape", "layer 1: W1 wrong, b1 right"),
    notes=("your code warned once: overflow (nets/mlp.py:12)",),
    details=("your loss is 0.7 here",),
    backward=(
        BackwardStep(LINE, "A1 = np.tanh(Z1)", (8, 4), "forward value", "", "right"),
        BackwardStep(LINE, "dW1 = X.T @ dZ1", (3, 4), "dL/dA1", "dL/dZ1", "wrong", True, 3, 2),
        BackwardStep(Location("nets/b.py", 50), "db1", (4,), "", "dL/db1", "inherited"),
        BackwardStep(LINE, "dW2 = A1.T @ dZ2", (4, 2), "dL/dW2", "", "right", passes=3),
        BackwardStep(LINE, "dX", (8, 3), "", "", "unknown"),
    ),
    sketch=PICTURES,
    reproduce="seed=0 (gradcheck 0, numpy 0)",
)

RIGHT = Report(
    "pass",
    (Block("w", (2,), "ok", 2, 0, 0, 1e-12, 1e-11, 1e-11, 1e-10, Worst((0,), 1.0, 1.0), (2,)),),
    (),
    None,
    Coverage(2, 2),
    12,
    0.001,
)

UNCHECKED = Report(
    "inconclusive",
    (Block("w", (2,), "not checked", 0),),
    (),
    None,
    Coverage(0, 2, "the loss could not be evaluated"),
    0,
    0.0,
    could_not_check="your loss raised ValueError: no",
    notes=("nets/loss.py:17   assert p.sum() == 1.0",),
)

OUTCOMES = (
    Outcome("nets:right", RIGHT),
    Outcome("nets:wrong", WRONG, differences=("expected pass, came out as fail",)),
    Outcome("nets:planted", WRONG, {"verdict": "fail", "blocks": ["W1"]}, "fail"),
    Outcome("nets:unchecked", UNCHECKED, differences=("expected pass, came out as inconclusive",)),
    Outcome(
        "nets:broken", None, "pass", None, ("NameError: x (nets.py:3)",), "NameError: x (nets.py:3)"
    ),
)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred",
    "]]>",
    "{{ 7*7 }}",
    "::error::x\r\n::warning::y",
    "a\x00b\x07",
    "\u202etxt.exe",
)
"""Names that would drive a terminal, a browser or a parser, if they got there as they are."""


def hostile(name):
    """An outcome in which everything that a user names has this name."""
    from dataclasses import replace

    blocks = tuple(replace(block, name=name) for block in WRONG.blocks)
    findings = tuple(
        replace(
            finding,
            blocks=(name,),
            message=f"the gradient of {name} is wrong",
            evidence=(name,),
            fix=name,
            location=Location(f"/{name}.py", 3),
        )
        for finding in WRONG.findings
    )
    pictures = replace(
        PICTURES,
        layers=(LayerPicture(1, 4, name, ((name, "wrong"),)),),
        heat_maps=tuple(replace(one, block=name) for one in PICTURES.heat_maps),
        scatters=tuple(replace(one, block=name) for one in PICTURES.scatters),
        step_curve=replace(PICTURES.step_curve, block=name),
        slope_ratios=tuple(replace(one, activation=name) for one in PICTURES.slope_ratios),
    )
    report = replace(
        WRONG,
        blocks=blocks,
        findings=findings,
        network=name,
        layers=(name,),
        notes=(name,),
        details=(name,),
        backward=tuple(replace(one, expression=name, actual=name) for one in WRONG.backward),
        sketch=pictures,
        reproduce=name,
    )
    return Outcome(f"{name}:{name}", report, differences=(f"expected {name}",))
