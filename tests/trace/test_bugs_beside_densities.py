"""Bugs beside densities that scipy computes: each is told at its line, by its name."""

import numpy as np
import pytest
from named_bugs import assert_found
from scipy import stats

import gradcheck
from gradcheck.trace.record.distributions import form_of

PROBIT = """
import numpy as np
from scipy.stats import norm

rng = np.random.default_rng(2)
doses = rng.normal(size=(14, 3))
cured = rng.integers(0, 2, 14)


def loss(w):
    reach = doses @ w
    return -np.sum(cured * norm.logcdf(reach) + (1 - cured) * norm.logsf(reach))


def grad(w):
    reach = doses @ w
    hit = norm.pdf(reach) / norm.cdf(reach)
    miss = -norm.pdf(reach) / norm.sf(reach)
    pull = cured * hit + (1 - cured) * miss
    return -doses.T @ pull


def params():
    return rng.normal(size=3) / 2
"""

WEIBULL = """
import numpy as np
import scipy.stats as st

rng = np.random.default_rng(6)
ages = rng.normal(size=(12, 2))
lives = rng.weibull(1.5, 12)
prior = st.norm(0.0, 2.0)


def loss(p):
    shape, scale = np.exp(p["s"]), np.exp(ages @ p["w"])
    lived = st.weibull_min(shape, scale=scale).logpdf(lives)
    return -np.sum(lived) - prior.logpdf(p["w"]).sum()


def grad(p):
    shape, scale = np.exp(p["s"]), np.exp(ages @ p["w"])
    part = (lives / scale) ** shape
    by_shape = 1 / shape + np.log(lives / scale) * (1 - part)
    by_weights = ages.T @ (shape * (1 - part)) + p["w"] / 4
    return {"s": -shape * np.sum(by_shape), "w": by_weights}


def params():
    return {"s": 0.3, "w": rng.normal(size=2) / 3}
"""

SPREAD = """
import numpy as np
from scipy.stats import multivariate_normal

points = np.random.default_rng(4).normal(size=(9, 3))


def loss(root):
    cov = root @ root.T + np.eye(3)
    return -np.sum(multivariate_normal.logpdf(points, np.zeros(3), cov))


def grad(root):
    cov = root @ root.T + np.eye(3)
    inverse = np.linalg.inv(cov)
    outer = points.T @ points
    by_cov = 0.5 * (len(points) * inverse - inverse @ outer @ inverse)
    return 2 * by_cov @ root


def params():
    return np.random.default_rng(9).normal(size=(3, 3))
"""


@pytest.mark.parametrize(
    ("program", "right", "wrong", "code"),
    [
        (PROBIT, "norm.pdf(reach) / norm.sf(reach)", "norm.pdf(reach) / norm.cdf(reach)", "GC305"),
        (PROBIT, "hit = norm", "hit = -norm", "GC106"),
        (WEIBULL, 'p["w"] / 4', 'p["w"] / 2', "GC604"),
        (WEIBULL, "-shape * np.sum", "-np.sum", "GC605"),
        (SPREAD, "inverse @ outer @ inverse", "inverse @ outer", "GC999"),
        (SPREAD, "2 * by_cov @ root", "by_cov @ root", "GC103"),
    ],
)
def test_a_bug_beside_a_density_is_found_at_its_line(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)


@pytest.mark.parametrize("name", ["pdf", "logpdf"])
@pytest.mark.parametrize("x", [np.ones(2), np.arange(6.0).reshape(3, 2)])
def test_the_density_of_several_is_scipys(name, x):
    given = (x, np.array([0.5, -1.0]), np.array([[2.0, 0.3], [0.3, 1.0]]))
    own = form_of(stats.multivariate_normal, name, given, {})(*given)
    assert np.allclose(own, getattr(stats.multivariate_normal, name)(*given), rtol=1e-12)


def test_a_distribution_keeps_all_that_is_no_density():
    heights = np.array([0.3, -0.2, 1.1])
    frozen = stats.norm(0.0, 2.0)

    def loss(w):
        assert isinstance(frozen, type(stats.norm(0.0, 2.0)))
        return np.sum((heights * w) ** 2) / (frozen.var() * stats.norm.std())

    assert gradcheck.check(loss, np.ones(3), lambda w: heights**2 * w / 2).ok
    report = gradcheck.check(loss, np.ones(3), lambda w: heights**2 * w)
    assert report.findings[0].code == "GC103"
