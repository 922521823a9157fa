"""A row holds all that the stages need, and one row is all that a new activation or loss takes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gradcheck
from gradcheck import MLP
from gradcheck.network import ACTIVATIONS, LOSSES, PUBLIC_ACTIVATIONS
from gradcheck.network.rows import Activation, Loss, Rank, Softmax, table

PACKAGE = Path(gradcheck.__file__).parent

ACTIVATION = """
    Activation(
        "arctan",
        np.arctan,
        lambda z: np.asarray(1 / (1 + z * z)),
        lambda z: lambda d: np.asarray(np.arctan2(d, 1 + z * (z + d))),
        (),
        RARE,
        public={public},
    ),"""

LOSS = """
    Loss(
        "cosh error",
        lambda a, y: np.asarray(np.cosh(a - y) - 1),
        lambda a, y: np.asarray(np.sinh(a - y)),
        lambda a, y: lambda d: np.asarray(2 * np.sinh(a - y + d / 2) * np.sinh(d / 2)),
        kinked=False,
        reductions={"cosh_error_mean": REDUCTIONS["mean"]},
    ),"""

SETTING = """
import numpy as np, gradcheck
from gradcheck import MLP
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))

def check(network, given=None, factor=1.0):
    # the report on the network's gradient, times a factor
    params = network.init(1)
    return gradcheck.check(
        lambda p: network.loss(p, X, Y),
        params,
        lambda p: {name: factor * value for name, value in network.backward(p, X, Y).items()},
        inputs=X,
        targets=Y,
        network=given,
    )

def furthest(network):
    # how far the network's gradient is from central differences of its loss
    params, step, error = network.init(1), 1e-5, 0.0
    for name, gradient in network.backward(params, X, Y).items():
        for index in np.ndindex(gradient.shape):
            sides = []
            for sign in (1, -1):
                moved = {key: value.copy() for key, value in params.items()}
                moved[name][index] += sign * step
                sides.append(network.loss(moved, X, Y))
            error = max(error, abs((sides[0] - sides[1]) / (2 * step) - gradient[index]))
    return error
"""


def run_with(tmp_path, file, row, script):
    """Runs a script with a copy of the package that has one row more, the first of a table."""
    ignored = shutil.ignore_patterns("__pycache__", "cases")
    shutil.copytree(PACKAGE, tmp_path / "gradcheck", ignore=ignored)
    path = tmp_path / "gradcheck" / "network" / file
    source = path.read_text(encoding="utf-8")
    start = source.index("\n", source.index("\n_ROWS") + 1)
    path.write_text(source[:start] + row + source[start:], encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", SETTING + script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_public_activation_is_one_row(tmp_path):
    done = run_with(
        tmp_path,
        "activations.py",
        ACTIVATION.format(public=True),
        """
for hidden, output in (("arctan", "linear"), ("tanh", "arctan")):
    network = MLP([3, 4, 2], [hidden, output], "squared_error_mean")
    assert furthest(network) < 1e-8
    assert check(network).ok
    assert check(network, network).ok
    wrong = check(network, factor=2.0)  # what is right needs no unusual network to be sought
    assert not wrong.ok
    print(wrong.network)
""",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == ["3-4-2 arctan/linear", "3-4-2 tanh/arctan"]


def test_an_activation_that_is_not_public_is_recognised_and_mlp_refuses_it(tmp_path):
    done = run_with(
        tmp_path,
        "activations.py",
        ACTIVATION.format(public=False),
        """
params = MLP([3, 4, 2], ["tanh", "linear"], "squared_error_sum").init(1)
def loss(p):
    return float(np.mean((np.arctan(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - Y) ** 2))
print(gradcheck.check(loss, params, lambda p: dict(p), inputs=X, targets=Y).network)
try:
    MLP([3, 4], ["arctan"], "squared_error_sum")
except ValueError as error:
    print(error)
""",
    )
    assert done.returncode == 0, done.stderr
    found, refused = done.stdout.splitlines()
    assert found.startswith("3-4-2 arctan/linear, squared error")
    assert refused.startswith("there is no activation 'arctan'")


def test_a_loss_is_one_row(tmp_path):
    done = run_with(
        tmp_path,
        "losses.py",
        LOSS,
        """
network = MLP([3, 4, 2], ["tanh", "linear"], "cosh_error_mean")
assert furthest(network) < 1e-8
named = check(network, network)
assert named.ok
assert not any("did not use" in note for note in named.notes), named.notes
print(check(network, factor=2.0).network, named.network, sep="\\n")
""",
    )
    assert done.returncode == 0, done.stderr
    alone, named = done.stdout.splitlines()
    assert alone == "3-4-2 tanh/linear, cosh error, mean over samples, m = 7"
    assert named == "3-4-2 tanh/linear, cosh error, mean over samples, m = 7"


@pytest.mark.parametrize("lacking", ["value", "slope", "difference", "rank"])
def test_an_activation_without_what_the_stages_need_cannot_be_made(lacking):
    row = ACTIVATIONS["tanh"]
    fields = {
        name: getattr(row, name) for name in ("value", "slope", "difference", "kinks", "rank")
    }
    assert Activation("mine", **fields)
    with pytest.raises(TypeError, match=rf"the activation 'mine' needs .* as its {lacking}"):
        Activation("mine", **{**fields, lacking: None})
    del fields[lacking]
    with pytest.raises(TypeError, match=f"missing .*'{lacking}'"):
        Activation("mine", **fields)


@pytest.mark.parametrize("kinks", [(1.0, 0.0), (0.0, 0.0), (float("nan"),)])
def test_kinks_are_finite_and_ascending(kinks):
    with pytest.raises(ValueError, match="the activation 'mine' has the kinks"):
        Activation("mine", np.tanh, np.tanh, lambda z: np.copy, kinks, Rank(1, 1))


def test_a_softmax_without_a_rank_cannot_be_made():
    with pytest.raises(TypeError, match="needs a Rank as its rank"):
        Softmax("mine", 3)


@pytest.mark.parametrize("lacking", ["terms", "derivative", "change"])
def test_a_loss_without_what_the_stages_need_cannot_be_made(lacking):
    row = LOSSES["squared error"]
    fields = {name: getattr(row, name) for name in ("terms", "derivative", "change")}
    with pytest.raises(TypeError, match=rf"the loss 'mine' needs a function as its {lacking}"):
        Loss("mine", **{**fields, lacking: None}, kinked=False)
    with pytest.raises(TypeError, match=r"missing .*'kinked'"):
        Loss("mine", **fields)


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two rows have the name 'tanh'"):
        table([ACTIVATIONS["tanh"], ACTIVATIONS["relu"], ACTIVATIONS["tanh"]])


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in PUBLIC_ACTIVATIONS])
def test_what_is_only_recognised_is_no_public_name(name):
    with pytest.raises(ValueError, match="there is no activation"):
        MLP([2, 2], [name], "squared_error_sum")
