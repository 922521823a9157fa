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

STRIDED = """
import numpy as np

rng = np.random.default_rng(72)
kernel = rng.normal(size=(2, 2))


def params():
    return rng.normal(size=(6, 6))


def slid(image):
    out = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = np.sum(image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] * kernel)
    return out


def loss(image):
    return np.sum(np.cosh(slid(image)))


def grad(image):
    back, found = np.sinh(slid(image)), np.zeros_like(image)
    for i in range(3):
        for j in range(3):
            for k in range(2):
                for l in range(2):
                    found[2 * i + k, 2 * j + l] = back[i, j] * kernel[k, l]
    return found
"""

POOLED = """
import numpy as np

rng = np.random.default_rng(73)
image, scores = rng.normal(size=(6, 6, 3)), rng.normal(size=(3, 3, 3))


def params():
    return rng.normal(size=3)


def largest(scaled):
    out = np.zeros((3, 3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = np.amax(scaled[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], axis=(0, 1))
    return out


def loss(scales):
    return np.sum(scores * largest(image * scales) ** 2)


def grad(scales):
    scaled = image * scales
    out = largest(scaled)
    back, found = 2 * scores * out, np.zeros_like(scaled)
    for i in range(3):
        for j in range(3):
            part = scaled[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            for k in range(2):
                for l in range(2):
                    for c in range(3):
                        if part[k, l, c] == out[i, j, c]:
                            found[i * 2 + k, j * 2 + l, c] = back[i, j, c]
    return np.sum(found * image, axis=(0, 1))
"""


@bugs(
    (SCALARS, "channel, tap + at]", "channel, at]", "GC416"),
    (SCALARS, "back[sample, kind, at]", "back[sample, kind, sample]", "GC416"),
    (SCALARS, "back[sample, kind, at]", "back[tap, kind, at]", "GC416"),
    (WINDOWS, "kernels[kind, channel])", "kernels[kind, 0])", "GC416"),
    (WINDOWS, "found[:, channel, at", "found[:, 1, at", "GC416"),
    (POOLED, "[i * 2 + k, j * 2 + l, c]", "[i * 2 + l, j * 2 + k, c]", "GC416"),
    (STRIDED, "[2 * i + k, 2 * j + l]", "[2 * i + k, 2 * j + k]", "GC416"),
    (POOLED, "back[i, j, c]", "back[i, j, 0]", "GC416"),
)
def test_an_index_that_is_another_name_is_told(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)


def test_the_fix_names_the_index_that_fits_every_pass(tmp_path):
    right, wrong = "back[sample, kind, at]", "back[tap, kind, at]"
    finding, _, report = first_finding(SCALARS, right, wrong, tmp_path)
    assert finding.fix == f"write `{right}`", report
