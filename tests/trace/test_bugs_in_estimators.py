"""Bugs in the derivatives of estimators that other causes, of networks, seem to fit."""

import numpy as np

import gradcheck

DRAW = np.random.default_rng(70)
ROWS, HAPPENED = DRAW.normal(size=(12, 3)), np.arange(12) % 3 > 0


def partial_likelihood(beta):
    """The negative log partial likelihood of Cox, of rows in the order of falling times."""
    risk = np.exp(ROWS @ beta)
    return -np.sum(HAPPENED * (ROWS @ beta - np.log(np.cumsum(risk))))


def of_all_rows(beta):
    risk = np.exp(ROWS @ beta)
    means = np.cumsum(risk[:, None] * ROWS, axis=0) / np.cumsum(risk)[:, None]
    return -np.sum(ROWS - means, axis=0)  # HAPPENED[:, None] * (ROWS - means)


def test_a_sum_over_rows_for_weights_is_no_sum_for_a_bias():
    start = np.array([0.3, -0.2, 0.1])
    found = gradcheck.check_minimize(partial_likelihood, start, jac=of_all_rows).findings[0]
    assert (found.code, found.expression) == ("GC999", "np.sum(ROWS - means, axis=0)"), found


def distances(p):
    return np.linalg.norm(ROWS[:, :2] - p[:2], axis=1) - p[2]


def undivided(p):
    d = ROWS[:, :2] - p[:2]
    return np.column_stack([-d, -np.ones(12)])  # -d / np.linalg.norm(d, axis=1)[:, None]


def test_the_norm_of_a_residual_is_no_penalty():
    report = gradcheck.check_least_squares(distances, [0.3, 0.2, 1.0], undivided)
    found = report.findings[0]
    assert (found.code, found.expression) == ("GC999", "ROWS[:, :2] - p[:2]"), found


class Sights:
    """The distances of a place from points, and from lines of sight through these."""

    def __init__(self):
        self.points, self.angles = ROWS[:3], DRAW.uniform(0, 3, 3)

    def distances(self, at):
        x, y, late = at
        found = []
        for point, angle in zip(self.points, self.angles, strict=True):
            found.append(np.sqrt((x - point[0]) ** 2 + (y - point[1]) ** 2) - 3 * late)
            found.append((x - point[0]) * np.sin(angle) - (y - point[1]) * np.cos(angle))
        return np.array(found)

    def of_distance(self, at, number):
        x, y, _ = at
        point = self.points[number]
        d = np.sqrt((x - point[0]) ** 2 + (y - point[1]) ** 2)
        slopes = np.zeros(3)
        slopes[0] = (x - point[0]) / d
        slopes[1] = (y - point[1]) / d
        slopes[2] = -3
        return slopes

    def of_sight(self, number):
        slopes = np.zeros(3)
        slopes[0] = np.sin(self.angles[number])
        slopes[1] = np.cos(self.angles[number])  # -np.cos
        slopes[2] = 0
        return slopes

    def slopes(self, at):
        found = []
        for number in range(3):
            found.append(self.of_distance(at, number))
            found.append(self.of_sight(number))
        return np.array(found)


def test_what_no_parameter_goes_into_has_a_line():
    sights, at = Sights(), [0.5, 0.2, 0.1]
    found = gradcheck.check_least_squares(sights.distances, at, sights.slopes).findings[0]
    line = Sights.of_sight.__code__.co_firstlineno + 3
    assert (found.code, found.location.line) == ("GC106", line)
