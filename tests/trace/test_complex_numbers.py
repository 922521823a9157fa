"""Gradients of computations with complex numbers: derivatives, and bugs told at their line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from named_bugs import assert_found, bugs

from gradcheck.trace import Subject
from gradcheck.trace.adjoints.points import follow_loss

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 5)) + 1j * RNG.normal(size=(4, 5))
WEIGHTS = np.arange(1.0, 6.0)


def _written(x):
    z = np.zeros(5, dtype=complex)
    z[1:] = x[1:]
    z[0] += 1j * x[0]
    z *= A[0]
    return np.sum(np.abs(z) ** 4)


LOSSES = {
    "product": lambda x: np.sum(np.abs(A @ (x * (1 + 2j))) ** 2),
    "einsum": lambda x: np.sum(np.abs(np.einsum("ij,kj->ik", A * x, A + 1j * x)) ** 2),
    "vdot": lambda x: np.abs(np.vdot(A[0] * x, A[1] + x * 2j)) ** 2,
    "conj": lambda x: np.sum(np.conj(A * x) * (A + x * 3j)).real,
    "method": lambda x: np.sum((A * x).conj() * (A + x * 3j)).imag,
    "angle": lambda x: np.sum(np.angle(A * x + 1) * WEIGHTS),
    "powers": lambda x: np.sum(((A + x) ** 2.5).imag) + np.sum(np.sqrt(A * x).real),
    "exponential": lambda x: np.sum((A[0] * np.exp(1j * x) / (A[1] + x)).real ** 2),
    "moved": lambda x: np.sum(np.abs(np.stack([x * 1j, x + 0j])[::-1] @ A.T) ** 3),
    "written": _written,
    "solution": lambda x: np.sum(np.abs(np.linalg.solve(A[:, :4] + x[0], A[:, 4] * x[1])) ** 2),
    "variance": lambda x: np.var(A * x) + np.abs(np.prod(A[0] * x)),
    "means": lambda x: np.sum((A * x).mean(axis=1).real ** 2),
    "shifted": lambda x: np.sum(np.abs(np.fft.fftshift(np.fft.fft(x))) * WEIGHTS),
    "planes": lambda x: np.sum(np.abs(np.fft.ifft2(x * A, norm="ortho")) ** 3),
}


def _assert_followed(loss, x):
    subject = Subject(("x",), lambda values: values[0], loss, dict, lambda x: {"x": x}, (loss,))
    steps = 1e-6 * np.eye(len(x))
    numeric = np.array([loss(x + step) - loss(x - step) for step in steps]) / 2e-6
    error = np.max(np.abs(follow_loss(subject, [x]).true["x"] - numeric))
    assert error <= 1e-7 * np.max(np.abs(numeric))


@pytest.mark.parametrize("name", LOSSES)
def test_operations_on_complex_numbers_have_their_derivatives(name):
    _assert_followed(LOSSES[name], RNG.normal(size=5))


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(3, 9),
    norm=st.sampled_from([None, "backward", "ortho", "forward"]),
    cut=st.integers(0, 2),
    seed=st.integers(0, 2**16),
)
def test_fourier_transforms_of_any_length_go_back(length, norm, cut, seed):
    rng = np.random.default_rng(seed)
    filters = rng.normal(size=9) + 1j * rng.normal(size=9)

    def loss(x):
        there = np.fft.rfft(x, norm=norm)
        back = np.fft.irfft(there * filters[: len(there)], length - cut, norm=norm)
        whole = np.fft.fft(x * filters[:length], length - cut)
        return np.sum(np.sin(back)) + np.sum(np.abs(whole) ** 2)

    _assert_followed(loss, rng.normal(size=length))


MASKED = """
import numpy as np

rng = np.random.default_rng(8)
masks = np.exp(2j * np.pi * rng.random((3, 5, 5)))
measured = rng.random((3, 5, 5))


def loss(phase, gain):
    wave = gain * np.exp(1j * phase)
    far = np.fft.fft2(masks * wave, norm="ortho")
    fit = np.sum((np.abs(far) ** 2 - measured) ** 2) / measured.size
    step = np.roll(wave, -1, axis=0) - wave
    return fit + 0.1 * np.sum(np.abs(step) ** 2)


def grad(phase, gain):
    unit = np.exp(1j * phase)
    wave = gain * unit
    far = np.fft.fft2(masks * wave, norm="ortho")
    error = 2 * (np.abs(far) ** 2 - measured) / measured.size
    d_far = 2 * error * far
    d_near = np.fft.ifft2(d_far, norm="ortho") * np.conj(masks)
    d_wave = d_near.sum(axis=0)
    move = np.roll(wave, -1, axis=0) - wave
    d_wave = d_wave + 0.2 * (np.roll(move, 1, axis=0) - move)
    d_phase = np.real(np.conj(d_wave) * 1j * wave)
    d_gain = np.real(d_wave * np.conj(unit))
    return d_phase, d_gain


def params():
    r = np.random.default_rng(9)
    return [r.uniform(0, 6, (5, 5)), 1 + r.random((5, 5))]
"""

CONJUGATED = MASKED.replace("d_far = 2 * error * far", "d_far = 2 * error * np.conj(far)")
for _ours, _theirs in (
    (
        'np.fft.ifft2(d_far, norm="ortho") * np.conj(masks)',
        'np.fft.fft2(d_far, norm="ortho") * masks',
    ),
    ("0.2 * (np.roll(move, 1, axis=0) - move)", "0.2 * np.conj(np.roll(move, 1, axis=0) - move)"),
    ("np.real(np.conj(d_wave) * 1j * wave)", "np.real(d_wave * 1j * wave)"),
    ("np.real(d_wave * np.conj(unit))", "np.real(d_wave * unit)"),
):
    CONJUGATED = CONJUGATED.replace(_ours, _theirs)
"""The same gradient, with dL/dx - i dL/dy in the place of dL/dx + i dL/dy."""

LAYERED = """
import numpy as np

rng = np.random.default_rng(1)
X = rng.normal(size=(7, 4)) + 1j * rng.normal(size=(7, 4))
T = rng.normal(size=(7, 2)) + 1j * rng.normal(size=(7, 2))


def loss(p):
    H = np.tanh(X @ p["W1"] + p["b1"])
    return 0.5 * np.sum(np.abs(H @ p["W2"] - T) ** 2) / len(X)


def grad(p):
    H = np.tanh(X @ p["W1"] + p["b1"])
    dY = (H @ p["W2"] - T) / len(X)
    dW2 = H.conj().T @ dY
    dH = dY @ p["W2"].conj().T
    dZ = dH * np.conj(1 - H**2)
    dW1 = X.conj().T @ dZ
    db1 = dZ.sum(axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2}


def params():
    r = np.random.default_rng(2)

    def made(*shape):
        return 0.3 * (r.normal(size=shape) + 1j * r.normal(size=shape))

    return {"W1": made(4, 3), "b1": made(3), "W2": made(3, 2)}
"""


@bugs(
    (MASKED, "d_far = 2 * error * far", "d_far = error * far", "GC103"),
    (MASKED, "d_far = 2 * error * far", "d_far = 2 * error * np.conj(far)", "GC606"),
    (MASKED, "* np.conj(masks)", "* masks", "GC419"),
    (MASKED, "np.fft.ifft2(d_far", "np.fft.fft2(d_far", "GC419"),
    (MASKED, "(np.roll(move, 1, axis=0)", "(np.roll(move, -1, axis=0)", "GC416"),
    (MASKED, "(np.roll(move, 1, axis=0)", "(np.roll(move, 1, axis=1)", "GC209"),
    (MASKED, "move = np.roll(wave, -1", "move = np.roll(wave, 1", "GC416"),
    (MASKED, "np.real(np.conj(d_wave) * 1j * wave)", "np.real(np.conj(d_wave) * wave)", "GC413"),
    (MASKED, "np.real(d_wave * np.conj(unit))", "np.real(d_wave * unit)", "GC415"),
    (CONJUGATED, "d_far = 2 * error * np.conj(far)", "d_far = error * np.conj(far)", "GC103"),
    (CONJUGATED, "np.fft.fft2(d_far", "np.fft.ifft2(d_far", "GC419"),
    (LAYERED, "H.conj().T @ dY", "H.T @ dY", "GC419"),
    (LAYERED, 'p["W2"].conj().T', 'p["W2"].T', "GC419"),
    (LAYERED, "np.conj(1 - H**2)", "(1 - H**2)", "GC415"),
    (LAYERED, "- T) / len(X)\n    dW2", "- T)\n    dW2", "GC101"),
    (LAYERED, "db1 = dZ.sum(axis=0)", "db1 = dZ.mean(axis=0)", "GC102"),
)
def test_bugs_among_complex_numbers_are_told(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)
