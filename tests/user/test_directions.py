"""Parameters that have structure: the gradient is judged along what they may move."""

import numpy as np
import pytest

import gradcheck

rng = np.random.default_rng(3)
ANY = rng.normal(size=(3, 3))
SYMMETRIC = ANY @ ANY.T + np.eye(3)
TURN = np.linalg.qr(ANY)[0]
SHARES = np.array([0.2, 0.5, 0.3])
DATA = rng.normal(size=(3, 3))


def logarithm(s):
    """Of the determinant: it may be asked of symmetric matrices alone."""
    np.testing.assert_allclose(s, s.T, atol=1e-12)
    return float(np.sum(np.log(np.linalg.eigvalsh(s))))


def test_a_symmetric_matrix():
    assert gradcheck.check(logarithm, SYMMETRIC, np.linalg.inv, directions="symmetric").ok
    wrong = gradcheck.check(
        logarithm, SYMMETRIC, lambda s: 2 * np.linalg.inv(s), directions="symmetric"
    )
    assert wrong.verdict == "fail"
    assert wrong.coverage.total == 6


def test_what_is_across_does_not_count():
    def loss(q):
        return np.sum(DATA * q) + np.sum((q.T @ q - np.eye(3)) ** 2)

    def grad(q):
        return DATA + 5 * q @ SYMMETRIC  # q times a symmetric matrix leads off the manifold

    assert gradcheck.check(loss, TURN, grad, directions="orthogonal").ok
    assert not gradcheck.check(loss, TURN, grad).ok
    assert not gradcheck.check(loss, TURN, lambda q: 2 * grad(q), directions="orthogonal").ok


def test_a_simplex_and_a_projection_of_the_users_own():
    def entropy(p):
        return -np.sum(p * np.log(p))

    def grad(p):
        return -np.log(p) + 7

    assert gradcheck.check(entropy, SHARES, grad, directions="simplex").ok
    assert not gradcheck.check(entropy, SHARES, lambda p: -grad(p), directions="simplex").ok
    assert gradcheck.check(entropy, SHARES, grad, directions=lambda d: d - d.mean()).ok


def test_directions_by_block():
    def loss(p):
        return np.sum(np.linalg.inv(p["L"]) * DATA) + np.sum(p["b"] ** 2)

    def grad(p):
        inverse = np.linalg.inv(p["L"])
        return {"L": -(inverse.T @ DATA @ inverse.T), "b": 2 * p["b"]}

    params = {"L": np.tril(ANY) + 2 * np.eye(3), "b": np.ones(2)}
    report = gradcheck.check(loss, params, grad, directions={"L": "triangular"})
    assert report.ok
    assert report.coverage.total == 6 + 2
    wrong = gradcheck.check(
        loss, params, lambda p: grad(p) | {"b": p["b"]}, directions={"L": "triangular"}
    )
    assert [block.verdict for block in wrong.blocks] == ["ok", "wrong"]


@pytest.mark.parametrize(
    ("directions", "says"),
    [
        ("symetric", "symmetric"),
        ("symmetric", "not symmetric"),
        ("orthogonal", "not orthogonal"),
        (lambda d: 2 * d, "applied twice"),
        ({"x": "simplex"}, "no block is called"),
        (5, "a name, a projection"),
    ],
)
def test_directions_that_cannot_be_taken(directions, says):
    with pytest.raises(gradcheck.UsageError, match=says):
        gradcheck.check(lambda p: np.sum(p**2), ANY, lambda p: 2 * p, directions=directions)


@pytest.mark.parametrize(
    ("size", "options", "says"),
    [(5000, {}, "at most 4096"), (3, {"bounds": (0, 2)}, "without bounds")],
)
def test_parameters_that_cannot_have_directions(size, options, says):
    with pytest.raises(gradcheck.UsageError, match=says):
        gradcheck.check(np.sum, np.ones(size), np.ones_like, directions=np.copy, **options)


@pytest.mark.parametrize("directions", ["sphere", lambda x, along: along - x * (x @ along)])
def test_a_quotient_on_the_sphere(directions):
    matrix, x = np.diag([1.0, 2.0, 4.0]), np.array([2.0, 1.0, 2.0]) / 3

    def quotient(x):
        return x @ matrix @ x

    def gradient(x):
        return 2 * (matrix @ x - x * quotient(x))

    assert gradcheck.check(quotient, x, gradient, directions=directions).ok
    half = gradcheck.check(quotient, x, lambda x: gradient(x) / 2, directions=directions)
    assert half.verdict == "fail"


def test_steps_have_the_size_of_the_parameters_and_a_factor_is_told_as_one():
    point, pole = np.array([0.6, 0.0, 0.8, 0.0]), np.array([1.0, 0, 0, 0])

    def away(p):
        return 0.5 * np.arccos(p @ pole) ** 2

    def back(p):
        along = pole - (p @ pole) * p
        return -np.arccos(p @ pole) * along / np.linalg.norm(along)

    right = gradcheck.check(away, point, back, directions="sphere")
    assert right.ok
    assert right.blocks[0].resolution < 1e-7
    [finding] = gradcheck.check(away, point, lambda p: back(p) / 2, directions="sphere").findings
    assert finding.code == "GC103"
    assert "second point" in str(finding)


ROTATED = np.linalg.qr(rng.normal(size=(5, 2)))[0]
CURVED = np.diag([1.0, 2.0, 4.0, 0.5, 3.0])
STEEP = np.diag([2.0, 1.0])


def brockett(q):
    return np.trace(q.T @ CURVED @ q @ STEEP)


def entropy(p):
    return np.sum(p * np.log(p / SHARES[::-1]))


def volume(s):
    return np.linalg.slogdet(s)[1] + np.trace(np.linalg.solve(s, DATA.T))


def wrong_sign(s):
    back = np.linalg.inv(s).T
    return back + back @ DATA @ back


@pytest.mark.parametrize(
    ("loss", "point", "grad", "directions", "expression"),
    [
        (brockett, ROTATED, lambda q: CURVED @ q @ STEEP, "orthogonal", "CURVED @ q @ STEEP"),
        (brockett, ROTATED, lambda q: 2 * CURVED @ q, "orthogonal", "2 * CURVED @ q"),
        (
            entropy,
            SHARES,
            lambda p: np.log(p / SHARES[::-1]) + p,
            "simplex",
            "np.log(p / SHARES[::-1]) + p",
        ),
        (volume, SYMMETRIC, wrong_sign, "symmetric", "back @ DATA"),
    ],
)
def test_a_wrong_gradient_along_directions_has_its_line(loss, point, grad, directions, expression):
    report = gradcheck.check(loss, point, grad, directions=directions)
    assert report.verdict == "fail"
    [finding] = report.findings
    assert finding.location is not None
    assert finding.expression == expression
    assert "dL/dnp" not in str(finding)


def test_a_gradient_across_a_curve_is_right_at_every_point_of_it():
    """What is projected on the tangent space of a point is right there alone, and at each."""

    def grad(q):
        along = 2 * CURVED @ q @ STEEP
        return along - q @ (q.T @ along + along.T @ q) / 2

    def wrong(q):
        along = 2 * CURVED @ q
        return along - q @ (q.T @ along + along.T @ q) / 2

    assert gradcheck.check(brockett, ROTATED, grad, directions="orthogonal").ok
    [finding] = gradcheck.check(brockett, ROTATED, wrong, directions="orthogonal").findings
    assert finding.location is not None
    assert finding.location.line == wrong.__code__.co_firstlineno + 1
