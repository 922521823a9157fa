"""scipy's functions in operations of numpy's."""

import numpy as np
import pytest
from scipy import special
from scipy.spatial import distance

import gradcheck
from gradcheck.trace.record.library_functions import FORMS, form_of

A = np.random.default_rng(3).normal(size=(4, 3)) * 30


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("name", FORMS)
def test_a_form_gives_what_scipy_gives(name, axis):
    own, scipys = FORMS[name](A, axis=axis), getattr(special, name)(A, axis=axis)
    assert np.shape(own) == np.shape(scipys)
    assert np.allclose(own, scipys, rtol=1e-12, atol=1e-12)


def test_what_a_form_lacks_is_asked_of_scipy():
    assert form_of(special.logsumexp, (A,), {"axis": 0}) is not None
    assert form_of(special.logsumexp, (A,), {"b": 2.0}) is None


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock"])
def test_distances_are_scipys(metric):
    between = form_of(distance.cdist, (A, A + 1, metric), {})(A, A + 1, metric)
    within = form_of(distance.pdist, (A,), {"metric": metric})(A, metric=metric)
    square = form_of(distance.squareform, (within,), {})(within)
    assert np.allclose(between, distance.cdist(A, A + 1, metric))
    assert np.allclose(square, distance.cdist(A, A, metric))


def test_other_distances_are_asked_of_scipy():
    assert form_of(distance.cdist, (A, A, "cosine"), {}) is None
    assert form_of(distance.pdist, (A,), {"metric": "minkowski", "p": 3}) is None
    assert form_of(distance.squareform, (np.eye(3),), {}) is None


def spread(points):
    pairs = distance.squareform(distance.pdist(points))
    return np.sum(np.exp(-distance.cdist(points, A[:2] / 30, "sqeuclidean"))) + np.sum(pairs**1.5)


def spread_gradient(points):
    apart = points[:, None] - A[None, :2] / 30
    near = np.exp(-distance.cdist(points, A[:2] / 30, "sqeuclidean"))
    pull = -near[:, :, None] * apart
    pairs = distance.squareform(distance.pdist(points))
    push = 3 * np.sqrt(pairs) / (pairs + np.eye(len(points)))
    among = points[:, None] - points[None]
    return pull.sum(axis=1) + np.sum(push[:, :, None] * among, axis=1)


def test_a_wrong_factor_beside_distances_has_its_line():
    points = np.random.default_rng(8).normal(size=(5, 3))
    finding = gradcheck.check(spread, points, spread_gradient).findings[0]
    assert finding.code == "GC103"
    assert "-near[:, :, None] * apart" in finding.location.source
