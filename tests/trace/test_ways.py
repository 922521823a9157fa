"""Ways to write a function: the wrong line, which ends in `# here`, is the one that is found."""

import functools
import linecache

import numpy as np
import pytest

import gradcheck
from gradcheck.trace.record.sources import tree_of

RNG = np.random.default_rng(41)
X, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))
PARAMS = {"A": RNG.normal(size=(3, 4)), "B": RNG.normal(size=(4, 2))}


def loss(p):
    return np.sum(np.sqrt(1 + (np.arctan(X @ p["A"]) @ p["B"] - Y) ** 2))


def imports_inside(p):
    from numpy import arctan, empty, sqrt

    z = X @ p["A"]
    h = arctan(z)
    e = h @ p["B"] - Y
    up = e / sqrt(1 + e**2)
    down = up @ p["B"].T / (1 + h**2)  # here
    dA = empty((3, 4))
    dA[:] = X.T @ down
    return {"A": dA, "B": h.T @ up}


def from_a_generator(p):
    def rows():
        for x, y in zip(X, Y, strict=True):
            z = x @ p["A"]
            e = np.arctan(z) @ p["B"] - y
            up = e / np.sqrt(1 + e**2)
            down = p["B"] @ up / (1 - z**2)  # here
            yield np.outer(x, down), np.outer(np.arctan(z), up)

    pairs = list(rows())
    return {"A": sum(a for a, _ in pairs), "B": sum(b for _, b in pairs)}


def with_a_default(p, slope=lambda z: 1 / (1 + z)):  # here
    z = X @ p["A"]
    e = np.arctan(z) @ p["B"] - Y
    up = e / np.sqrt(1 + e**2)
    return {"A": X.T @ (up @ p["B"].T * slope(z)), "B": np.arctan(z).T @ up}


def of_data(x, y, p):
    z = x @ p["A"]
    e = np.arctan(z) @ p["B"] - y
    up = e / np.sqrt(1 + e**2)
    down = up @ p["B"].T  # here
    return {"A": x.T @ down, "B": np.arctan(z).T @ up}


def only_the_last_row(p):
    grads = {"A": np.zeros((3, 4))}
    total = np.zeros((4, 2))
    for x, y in zip(X, Y, strict=True):
        z = x @ p["A"]
        e = np.arctan(z) @ p["B"] - y
        up = e / np.sqrt(1 + e**2)
        grads["A"] = np.outer(x, p["B"] @ up / (1 + z**2))  # here
        total += np.outer(np.arctan(z), up)
    return grads | {"B": total}


def beyond_the_axis(p):
    z = X @ p["A"]
    e = np.arctan(z) @ p["B"] - Y
    up = e / np.sqrt(1 + e**2)
    down = up @ p["B"].T / (1 + z**2)
    dA = np.zeros((3, 4))
    for row in range(6):  # here
        dA += np.outer(X[row], down[row])
    return {"A": dA, "B": np.arctan(z).T @ up}


def a_name_that_is_not_there(p):
    e = np.arctan(X @ p["A"]) @ p["B"] - Y
    return {"A": X.T @ down, "B": np.copy(e)}  # noqa: F821  # here


class Pair:
    __slots__ = ("x", "y")

    def __init__(self):
        self.x, self.y = X, Y

    def __call__(self, p):
        z = self.x @ p["A"]
        e = np.arctan(z) @ p["B"] - self.y
        root = np.sqrt(1 + e**2)
        return root.sum(), {"A": X.T @ (e / root @ p["B"].T * self.slope(z)), "B": p["B"]}

    @staticmethod
    def slope(z):
        return 1 / (1 + z**3)  # here


def line_of(report):
    first = report.findings[0]
    return linecache.getline(first.location.file, first.location.line).strip()


@pytest.mark.parametrize(
    "grad",
    [
        imports_inside,
        from_a_generator,
        with_a_default,
        functools.partial(of_data, X, Y),
        only_the_last_row,
        beyond_the_axis,
        a_name_that_is_not_there,
    ],
)
def test_the_line_is_found(grad):
    assert line_of(gradcheck.check(loss, PARAMS, grad)).endswith("# here")


def test_a_gradient_computed_with_the_loss_is_followed():
    places = [one.location for one in gradcheck.check(Pair(), PARAMS).findings]
    lines = [linecache.getline(place.file, place.line).strip() for place in places if place]
    assert any(line.endswith("# here") for line in lines)


def test_a_vector_cut_into_blocks_is_followed():
    def of_vector(theta):
        return loss({"A": theta[:12].reshape(3, 4), "B": theta[12:].reshape(4, 2)})

    def grad(theta):
        A, B = theta[:12].reshape(3, 4), theta[12:].reshape(4, 2)
        e = np.arctan(X @ A) @ B - Y
        up = e / np.sqrt(1 + e**2)
        down = up @ B.T / (1 + (X @ A) ** 3)  # here
        return np.concatenate([np.ravel(X.T @ down), np.ravel(np.arctan(X @ A).T @ up)])

    theta = np.concatenate([PARAMS["A"].ravel(), PARAMS["B"].ravel()])
    blocks = gradcheck.parameters(theta, shapes={"A": (3, 4), "B": (4, 2)})
    assert line_of(gradcheck.check(of_vector, blocks, grad)).endswith("# here")


def test_a_loss_of_stacks_is_followed():
    def of_stacks(ws):
        return np.sum(np.exp(np.sin(ws @ X.T)), axis=-1)

    def grad(w):
        z = X @ w
        d = np.exp(np.sin(z)) * np.sin(z)  # here
        return d @ X

    report = gradcheck.check(of_stacks, np.array([0.3, -0.2, 0.5]), grad, batched=True)
    assert line_of(report).endswith("# here")


def test_a_file_that_changed_is_read_again(tmp_path):
    file = tmp_path / "changing.py"
    for count in (1, 2):
        file.write_text("a = b\n" * count)
        linecache.checkcache(str(file))
        assert len(tree_of(str(file)).body) == count


@pytest.mark.parametrize(
    "beside",
    [
        lambda h: np.append(h, 1),
        lambda h: np.append(h, [1, 2]),
        lambda h: np.append(h, np.array([3])),
        lambda h: np.append(2, h),
        lambda h: np.insert(h, 0, 1),
        lambda h: np.concatenate((np.ones(2, int), h)),
        lambda h: np.vstack((np.ones((1, 4), int), h[None])),
        lambda h: np.r_[1, h],
        lambda h: np.c_[np.ones(4, int), h],
        lambda h: np.pad(h, 1, constant_values=2),
    ],
)
def test_whole_numbers_put_beside_what_a_loss_computes_are_constants(beside):
    x, w = X[0], PARAMS["A"]
    report = gradcheck.check(
        lambda w: np.sum(beside(np.sin(x @ w)) ** 3),
        w,
        lambda w: np.outer(x, 3 * np.sin(x @ w) ** 2),
    )
    assert report.findings[0].code == "GC303", report
