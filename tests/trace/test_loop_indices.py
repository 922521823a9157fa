"""Indices in the loops of a convolution that are another name of these loops, or lack one."""

from named_bugs import assert_found, bugs, first_finding

SCALARS = """
import numpy as np

rng = np.random.default_rng(70)
seen = rng.normal(size=(3, 2, 6))


def params():
    return rng.normal(size=(4, 2, 3))


def slid(kernels):
    out = np.zeros((3, 4, 4))
    for at in range(4):
        out[:, :, at] = np.tensordot(seen[:, :, at : at + 3], kernels, ([1, 2], [1, 2]))
    return out


def loss(kernels):
    return np.sum(np.cosh(slid(kernels)))


def grad(kernels):
    back, found = np.sinh(slid(kernels)), np.zeros_like(kernels)
    for sample in range(3):
        for kind in range(4):
            for channel in range(2):
                for tap in range(3):
                    for at in range(4):
                        arrives = back[sample, kind, at]
                        found[kind, channel, tap] += seen[sample, channel, tap + at] * arrives
    return found
"""

WINDOWS = """
import numpy as np

rng = np.random.default_rng(71)
seen, kernels = rng.normal(size=(3, 2, 6)), rng.normal(size=(3, 2, 3))


def params():
    return rng.normal(size=(2, 2, 6))


def loss(images):
    parts = [images[:, :, at : at + 3].reshape(2, 6) for at in range(4)]
    return sum(np.sum(np.cosh(part @ kernels.reshape(3, 6).T)) for part in parts)


def grad(images):
    found = np.zeros_like(images)
    for kind in range(3):
        for channel in range(2):
            for at in range(4):
                part = images[:, :, at : at + 3].reshape(2, 6)
                back = np.sinh(part @ kernels[kind].ravel())
                found[:, channel, at : at + 3] += np.outer(back, kernels[kind, channel])
    return found
"""


@bugs(
    (SCALARS, "channel, tap + at]", "channel, at]", "GC416"),
    (SCALARS, "back[sample, kind, at]", "back[sample, kind, sample]", "GC416"),
    (SCALARS, "back[sample, kind, at]", "back[tap, kind, at]", "GC416"),
    (WINDOWS, "kernels[kind, channel])", "kernels[kind, 0])", "GC416"),
    (WINDOWS, "found[:, channel, at", "found[:, 1, at", "GC416"),
)
def test_an_index_that_is_another_name_is_told(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)


def test_the_fix_names_the_index_that_fits_every_pass(tmp_path):
    right, wrong = "back[sample, kind, at]", "back[tap, kind, at]"
    finding, _, report = first_finding(SCALARS, right, wrong, tmp_path)
    assert finding.fix == f"write `{right}`", report
