"""Complex parameters and outputs: both parts are perturbed, and the convention is named."""

import numpy as np
import pytest
from sweeps import sample

import gradcheck

RNG = np.random.default_rng(5)


def drawn(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


MIXING, Z, W = drawn(6, 4), drawn(4), RNG.normal(size=4)


def loss(p):
    return np.vdot(rest(p), rest(p))  # a complex number whose imaginary part is 0


def rest(p):
    return MIXING @ (p["z"] ** 2 * p["w"]) - 1


def grad(p):
    back = 2 * MIXING.conj().T @ rest(p)
    return {"z": back * np.conj(2 * p["z"] * p["w"]), "w": np.real(np.conj(back) * p["z"] ** 2)}


CONVENTIONS = [
    (lambda g: g, "as torch has it"),
    (np.conj, "as jax has it"),
    (lambda g: g / 2, r"by conj\(z\)"),
    (lambda g: np.conj(g) / 2, "by z, "),
]


@pytest.mark.parametrize(("written", "words"), CONVENTIONS)
def test_a_right_gradient_passes_in_every_convention_that_is_named(written, words):
    def own(p):
        found = grad(p)
        return {**found, "z": written(found["z"])}

    report = gradcheck.check(loss, {"z": Z, "w": W}, own)
    assert report.ok
    assert [block.name for block in report.blocks] == ["z.real", "z.imag", "w"]
    assert any(words.replace("\\", "") in note for note in report.notes)


@pytest.mark.parametrize("written", [one for one, _ in CONVENTIONS])
@pytest.mark.parametrize("part", sample([1.0, 1j], every=3))
def test_an_error_in_a_part_of_one_entry_is_found(written, part):
    def own(p):
        found = grad(p)["z"].copy()
        found[2] += 1e-6 * part * abs(found[2])
        return {**grad(p), "z": written(found)}

    report = gradcheck.check(loss, {"z": Z, "w": W}, own)
    assert [block.verdict == "wrong" for block in report.blocks] == [part == 1, part == 1j, False]


@pytest.mark.parametrize("imag", [0, 1e-17, 1e-14, 1e-8])
def test_imaginary_parts_that_are_rounding(imag):
    point = Z.real + 1j * imag * Z.imag
    backward = MIXING.conj().T @ MIXING

    def squares(z):
        return np.sum(np.abs(MIXING @ z) ** 2)

    assert gradcheck.check(squares, point, lambda z: 2 * backward @ z).ok
    assert not gradcheck.check(squares, point, lambda z: 2.001 * backward @ z).ok


def test_blocks_that_follow_different_conventions_are_wrong():
    def product(p):
        return np.sum(np.abs(p["a"] * p["b"][0]) ** 2)

    def own(p):
        a, b = p["a"], p["b"][0]
        return {"a": 2 * a * abs(b) ** 2, "b": [np.conj(2 * b * np.sum(np.abs(a) ** 2))]}

    report = gradcheck.check(product, {"a": drawn(3), "b": [2.0 - 1j]}, own)
    assert [block.name for block in report.blocks if block.verdict == "wrong"] == ["b[0].imag"]
    assert any(
        note.startswith("the gradient of b[0] is written in another convention")
        for note in report.notes
    )


def test_complex_arrays_of_an_object_are_moved_in_place_and_put_back():
    class Filter:
        def __init__(self):
            self.taps, self.gain = Z.copy(), np.array([1 + 1j], dtype=np.complex64)

        def loss(self):
            return float(np.sum(np.abs(self.taps * self.gain) ** 2))

        def grad(self):
            self.d_taps = 2 * self.taps * np.abs(self.gain) ** 2
            self.d_gain = 2 * self.gain * np.sum(np.abs(self.taps) ** 2)

    own = Filter()
    taps, gain = own.taps, own.gain
    assert gradcheck.check(lambda f: f.loss(), own, lambda f: f.grad()).ok
    assert own.taps is taps
    assert own.gain is gain
    assert np.array_equal(taps, Z)


X, MATRIX = drawn(5, 4), drawn(4, 3)


@pytest.mark.parametrize(
    ("adjoint", "words"), [(lambda m: m.conj().T, "torch"), (lambda m: m.T, "jax")]
)
def test_a_layer_of_complex_inputs_and_outputs(adjoint, words):
    def forward(x, w):
        return x @ w, (x, w)

    def backward(up, cache):
        return up @ adjoint(cache[1]), adjoint(cache[0]) @ up

    report = gradcheck.check_layer(forward, backward, (X, MATRIX))
    assert report.ok
    assert any(words in note for note in report.notes)

    def mixed(up, cache):
        return up @ cache[1].conj().T, cache[0].T @ up

    assert gradcheck.check_layer(forward, mixed, (X, MATRIX)).verdict == "fail"


@pytest.mark.parametrize(
    "backward", [lambda up: len(up) * np.fft.ifft(up).real, lambda up: np.fft.fft(up).real]
)
def test_a_layer_of_real_inputs_and_complex_outputs(backward):
    assert gradcheck.check_layer(np.fft.fft, backward, RNG.normal(size=8)).ok

    def scaled(up):
        return backward(up) / len(up)

    assert gradcheck.check_layer(np.fft.fft, scaled, RNG.normal(size=8)).verdict == "fail"


def test_outputs_by_name_some_of_them_complex_and_an_index():
    def forward(z, index):
        return {"power": np.abs(z) ** 2, "chosen": [z[index] ** 2]}

    index = np.array([0, 0, 3])

    def backward(up):
        found = 2 * up["power"] * Z
        np.add.at(found, index, up["chosen"][0] * np.conj(2 * Z[index]))
        return found

    assert gradcheck.check_layer(forward, backward, (Z, index)).ok


@pytest.mark.parametrize(
    "refused",
    [
        lambda: gradcheck.check_hessian(lambda z: np.sum(np.abs(z)), Z, np.eye(8)),
        lambda: gradcheck.check_step(lambda z: z, Z, loss=np.sum, learning_rate=0.1),
        lambda: gradcheck.check(np.sum, Z, np.abs, directions="simplex"),
    ],
)
def test_what_is_for_real_numbers_alone_says_so(refused):
    with pytest.raises(gradcheck.UsageError, match="real parameters"):
        refused()


def test_a_wrong_gradient_is_read_as_torch_has_it_where_it_is_near_to_no_convention():
    report = gradcheck.check(
        lambda z: np.sum(np.abs(MIXING @ z - 1) ** 2), Z, lambda z: 2 * MIXING.T @ (MIXING @ z - 1)
    )
    assert report.verdict == "fail"
    assert any("as torch has it" in note for note in report.notes)
    assert report.findings[0].code == "GC419"


def amplitudes(p):
    return 0.5 * np.sum((np.abs(p["M"] @ p["z"]) - 1) ** 2)


def without_conjugate(p):
    field = p["M"] @ p["z"]
    back = (np.abs(field) - 1) * field / np.abs(field)
    to_z = p["M"].T @ back
    return {"M": np.outer(back, np.conj(p["z"])), "z": to_z}


def test_a_wrong_complex_gradient_has_its_line():
    report = gradcheck.check(amplitudes, {"M": MIXING, "z": Z}, without_conjugate)
    [finding] = report.findings
    assert finding.location.source == 'to_z = p["M"].T @ back'
    assert "conj" in finding.fix
    assert report.repair is None

    def unchanged(up):
        return up

    layer = gradcheck.check_layer(np.conj, unchanged, Z)
    assert [one.location.source for one in layer.findings] == ["return up"]
