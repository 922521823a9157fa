"""Classic problems of curve fitting, with Jacobians written by hand.

Most are of Moré, Garbow and Hillstrom (Testing unconstrained optimization software, ACM TOMS 7,
1981), the last ones of the kind that NIST's nonlinear regression data are of.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fit:
    """Residuals, their Jacobian, and where to look at it."""

    name: str
    residuals: Callable
    jacobian: Callable
    at: tuple


def columns(*entries):
    return np.column_stack(np.broadcast_arrays(*map(np.atleast_1d, entries))).astype(float)


def rows(*entries):
    return np.array(entries, dtype=float)


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def rosenbrock_jacobian(x):
    return rows([-20 * x[0], 10], [-1, 0])


def freudenstein(x):
    a, b = x
    return np.array([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b])


def freudenstein_jacobian(x):
    b = x[1]
    return rows([1, 10 * b - 3 * b**2 - 2], [1, 3 * b**2 + 2 * b - 14])


def powell_badly_scaled(x):
    return np.array([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])


def powell_badly_scaled_jacobian(x):
    return rows([1e4 * x[1], 1e4 * x[0]], [-np.exp(-x[0]), -np.exp(-x[1])])


def brown_badly_scaled(x):
    return np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def brown_badly_scaled_jacobian(x):
    return rows([1, 0], [0, 1], [x[1], x[0]])


BEALE = np.array([1.5, 2.25, 2.625])


def beale(x):
    power = np.arange(1, 4)
    return BEALE - x[0] * (1 - x[1] ** power)


def beale_jacobian(x):
    power = np.arange(1, 4)
    return columns(x[1] ** power - 1, x[0] * power * x[1] ** (power - 1))


TEN = np.arange(1, 11)


def jennrich(x):
    return 2 + 2 * TEN - np.exp(TEN * x[0]) - np.exp(TEN * x[1])


def jennrich_jacobian(x):
    return columns(-TEN * np.exp(TEN * x[0]), -TEN * np.exp(TEN * x[1]))


def helical(x):
    turn = np.arctan2(x[1], x[0]) / (2 * np.pi)
    radius = np.hypot(x[0], x[1])
    return np.array([10 * (x[2] - 10 * turn), 10 * (radius - 1), x[2]])


def helical_jacobian(x):
    square = x[0] ** 2 + x[1] ** 2
    radius, turn = np.sqrt(square), 100 / (2 * np.pi * square)
    return rows(
        [turn * x[1], -turn * x[0], 10], [10 * x[0] / radius, 10 * x[1] / radius, 0], [0, 0, 1]
    )


BARD = np.array([14, 18, 22, 25, 29, 32, 35, 39, 37, 58, 73, 96, 134, 210, 439]) / 100
BARD_U = np.arange(1.0, 16)
BARD_V, BARD_W = 16 - BARD_U, np.minimum(BARD_U, 16 - BARD_U)


def bard(x):
    return BARD - (x[0] + BARD_U / (BARD_V * x[1] + BARD_W * x[2]))


def bard_jacobian(x):
    below = (BARD_V * x[1] + BARD_W * x[2]) ** 2
    return columns(-np.ones(15), BARD_U * BARD_V / below, BARD_U * BARD_W / below)


GAUSSIAN = np.array([9, 44, 175, 540, 1295, 2420, 3521, 3989, 3521, 2420, 1295, 540, 175, 44, 9])
GAUSSIAN_T = (7 - np.arange(15)) / 2


def gaussian(x):
    return x[0] * np.exp(-x[1] * (GAUSSIAN_T - x[2]) ** 2 / 2) - GAUSSIAN / 1e4


def gaussian_jacobian(x):
    off = GAUSSIAN_T - x[2]
    bell = np.exp(-x[1] * off**2 / 2)
    return columns(bell, -x[0] * bell * off**2 / 2, x[0] * bell * x[1] * off)


MEYER = np.array(
    [
        [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744],
        [8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872],
    ]
).ravel()
MEYER_T = 45 + 5.0 * np.arange(1, 17)


def meyer(x):
    return x[0] * np.exp(x[1] / (MEYER_T + x[2])) - MEYER


def meyer_jacobian(x):
    below = MEYER_T + x[2]
    power = np.exp(x[1] / below)
    return columns(power, x[0] * power / below, -x[0] * x[1] * power / below**2)


def box(x):
    t = TEN / 10
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-TEN))


def box_jacobian(x):
    t = TEN / 10
    return columns(-t * np.exp(-t * x[0]), t * np.exp(-t * x[1]), np.exp(-TEN) - np.exp(-t))


def powell_singular(x):
    return np.array(
        [
            x[0] + 10 * x[1],
            np.sqrt(5) * (x[2] - x[3]),
            (x[1] - 2 * x[2]) ** 2,
            np.sqrt(10) * (x[0] - x[3]) ** 2,
        ]
    )


def powell_singular_jacobian(x):
    one, two = 2 * (x[1] - 2 * x[2]), 2 * np.sqrt(10) * (x[0] - x[3])
    five = np.sqrt(5)
    return rows([1, 10, 0, 0], [0, 0, five, -five], [0, one, -2 * one, 0], [two, 0, 0, -two])


def wood(x):
    ten = np.sqrt(10)
    return np.array(
        [
            10 * (x[1] - x[0] ** 2),
            1 - x[0],
            np.sqrt(90) * (x[3] - x[2] ** 2),
            1 - x[2],
            ten * (x[1] + x[3] - 2),
            (x[1] - x[3]) / ten,
        ]
    )


def wood_jacobian(x):
    ten, ninety = np.sqrt(10), np.sqrt(90)
    return rows(
        [-20 * x[0], 10, 0, 0],
        [-1, 0, 0, 0],
        [0, 0, -2 * ninety * x[2], ninety],
        [0, 0, -1, 0],
        [0, ten, 0, ten],
        [0, 1 / ten, 0, -1 / ten],
    )


KOWALIK = np.array([1957, 1947, 1735, 1600, 844, 627, 456, 342, 323, 235, 246]) / 1e4
KOWALIK_U = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])


def kowalik(x):
    u = KOWALIK_U
    return KOWALIK - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def kowalik_jacobian(x):
    u = KOWALIK_U
    above, below = u**2 + u * x[1], u**2 + u * x[2] + x[3]
    return columns(
        -above / below, -x[0] * u / below, x[0] * above * u / below**2, x[0] * above / below**2
    )


TWENTY = np.arange(1, 21) / 5


def brown_dennis(x):
    t = TWENTY
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


def brown_dennis_jacobian(x):
    t = TWENTY
    one, two = 2 * (x[0] + t * x[1] - np.exp(t)), 2 * (x[2] + x[3] * np.sin(t) - np.cos(t))
    return columns(one, t * one, two, np.sin(t) * two)


OSBORNE = 10.0 * np.arange(33)


def osborne(x):
    return x[0] + x[1] * np.exp(-OSBORNE * x[3]) + x[2] * np.exp(-OSBORNE * x[4]) - 0.9


def osborne_jacobian(x):
    t, one, two = OSBORNE, np.exp(-OSBORNE * x[3]), np.exp(-OSBORNE * x[4])
    return columns(np.ones(33), one, two, -t * x[1] * one, -t * x[2] * two)


BIGGS = np.arange(1, 14) / 10
BIGGS_Y = np.exp(-BIGGS) - 5 * np.exp(-10 * BIGGS) + 3 * np.exp(-4 * BIGGS)


def biggs(x):
    one, two, three = (np.exp(-BIGGS * x[i]) for i in (0, 1, 4))
    return x[2] * one - x[3] * two + x[5] * three - BIGGS_Y


def biggs_jacobian(x):
    one, two, three = (np.exp(-BIGGS * x[i]) for i in (0, 1, 4))
    t = BIGGS
    return columns(-t * x[2] * one, t * x[3] * two, one, -two, -t * x[5] * three, three)


def trigonometric(x):
    n = len(x)
    number = np.arange(1, n + 1)
    return n - np.sum(np.cos(x)) + number * (1 - np.cos(x)) - np.sin(x)


def trigonometric_jacobian(x):
    number = np.arange(1, len(x) + 1)
    own = np.diag(number * np.sin(x) - np.cos(x))
    return own + np.sin(x)


MICHAELIS_S = np.array([0.02, 0.06, 0.11, 0.22, 0.56, 1.1])


def michaelis(x):
    return x[0] * MICHAELIS_S / (x[1] + MICHAELIS_S) - 100


def michaelis_jacobian(x):
    below = x[1] + MICHAELIS_S
    return columns(MICHAELIS_S / below, -x[0] * MICHAELIS_S / below**2)


LOGISTIC_T = np.linspace(-3, 5, 12)


def logistic(x):
    return x[0] / (1 + np.exp(x[1] - x[2] * LOGISTIC_T)) - 30


def logistic_jacobian(x):
    power = np.exp(x[1] - x[2] * LOGISTIC_T)
    below = 1 + power
    slope = x[0] * power / below**2
    return columns(1 / below, -slope, slope * LOGISTIC_T)


THERMAL = np.linspace(280, 420, 9)


def arrhenius(x):
    """A rate of 1e6, an energy of 1e4 and a mobility of 1e-12 in one vector."""
    return x[0] * np.exp(-x[1] / (8.314 * THERMAL)) + 1e12 * x[2] * THERMAL


def arrhenius_jacobian(x):
    power = np.exp(-x[1] / (8.314 * THERMAL))
    return columns(power, -x[0] * power / (8.314 * THERMAL), 1e12 * THERMAL)


def penalty(x):
    return np.append(np.sqrt(1e-5) * (x - 1), x @ x - 0.25)


def penalty_jacobian(x):
    return np.vstack([np.sqrt(1e-5) * np.eye(len(x)), 2 * x])


def variably_dimensioned(x):
    off = np.arange(1, len(x) + 1) @ (x - 1)
    return np.concatenate([x - 1, [off, off**2]])


def variably_dimensioned_jacobian(x):
    number = np.arange(1, len(x) + 1)
    return np.vstack([np.eye(len(x)), number, 2 * (number @ (x - 1)) * number])


WATSON = np.arange(1, 30)[:, None] / 29


def watson(x):
    power = np.arange(len(x))
    polynomial = WATSON**power @ x
    slope = WATSON ** (power[1:] - 1) @ (power[1:] * x[1:])
    return np.concatenate([slope - polynomial**2 - 1, [x[0], x[1] - x[0] ** 2 - 1]])


def watson_jacobian(x):
    power = np.arange(len(x))
    values = WATSON**power
    slopes = power * WATSON ** np.maximum(power - 1, 0)
    last = np.zeros((2, len(x)))
    last[0, 0], last[1, :2] = 1, (-2 * x[0], 1)
    return np.vstack([slopes - 2 * (values @ x)[:, None] * values, last])


def brown_almost_linear(x):
    return np.append(x[:-1] + np.sum(x) - len(x) - 1, np.prod(x) - 1)


def brown_almost_linear_jacobian(x):
    return np.vstack([np.eye(len(x))[:-1] + 1, np.prod(x) / x])


def boundary_value(x):
    """y'' = (y + t + 1)^3 / 2, 0 at both ends."""
    h = 1 / (len(x) + 1)
    t = h * np.arange(1, len(x) + 1)
    beside = np.append(x[1:], 0) + np.insert(x[:-1], 0, 0)
    return 2 * x - beside + h**2 * (x + t + 1) ** 3 / 2


def boundary_value_jacobian(x):
    h, n = 1 / (len(x) + 1), len(x)
    own = 2 + 1.5 * h**2 * (x + h * np.arange(1, n + 1) + 1) ** 2
    return np.diag(own) - np.eye(n, k=1) - np.eye(n, k=-1)


def integral_equation(x):
    t, weights = _kernel(len(x))
    return x + weights @ (x + t + 1) ** 3 / 2


def integral_equation_jacobian(x):
    t, weights = _kernel(len(x))
    return np.eye(len(x)) + weights * (1.5 * (x + t + 1) ** 2)


def _kernel(n):
    t = np.arange(1, n + 1) / (n + 1)
    return t, np.minimum(np.outer(t, 1 - t), np.outer(1 - t, t)) / (n + 1)


def broyden_tridiagonal(x):
    return (3 - 2 * x) * x - np.insert(x[:-1], 0, 0) - 2 * np.append(x[1:], 0) + 1


def broyden_tridiagonal_jacobian(x):
    return np.diag(3 - 4 * x) - np.eye(len(x), k=-1) - 2 * np.eye(len(x), k=1)


def _band(n):
    return sum(np.eye(n, k=k) for k in (-5, -4, -3, -2, -1, 1))


def broyden_banded(x):
    return x * (2 + 5 * x**2) + 1 - _band(len(x)) @ (x + x**2)


def broyden_banded_jacobian(x):
    return np.diag(2 + 15 * x**2) - _band(len(x)) * (1 + 2 * x)


def linear_of_rank_1(x):
    return np.arange(1, 9) * (np.arange(1, len(x) + 1) @ x) - 1


def linear_of_rank_1_jacobian(x):
    return np.outer(np.arange(1, 9), np.arange(1, len(x) + 1)).astype(float)


def chebyquad(x):
    angles = np.outer(np.arange(1, len(x) + 1), np.arccos(2 * x - 1))
    order = np.arange(1, len(x) + 1)
    exact = np.where(order % 2, 0, -1 / (order**2 - 1.0 + (order == 1)))
    return np.mean(np.cos(angles), axis=1) - exact


def chebyquad_jacobian(x):
    order, angle = np.arange(1, len(x) + 1)[:, None], np.arccos(2 * x - 1)
    return 2 * order * np.sin(order * angle) / np.sin(angle) / len(x)


PEAKS = np.linspace(1, 250, 50)


def two_peaks(x):
    """A decay and two Gaussian peaks."""
    decay = x[0] * np.exp(-x[1] * PEAKS)
    return decay + sum(x[i] * np.exp(-(((PEAKS - x[i + 1]) / x[i + 2]) ** 2)) for i in (2, 5)) - 90


def two_peaks_jacobian(x):
    decay = np.exp(-x[1] * PEAKS)
    found = [decay, -x[0] * PEAKS * decay]
    for i in (2, 5):
        off = (PEAKS - x[i + 1]) / x[i + 2]
        bell = np.exp(-(off**2))
        slope = 2 * x[i] * bell * off / x[i + 2]
        found += [bell, slope, slope * off]
    return columns(*found)


def rational(x):
    """A quotient of two cubics."""
    return np.polyval(x[3::-1], THERMAL) / (1 + THERMAL * np.polyval(x[:3:-1], THERMAL)) - 10


def rational_jacobian(x):
    power = THERMAL[:, None] ** np.arange(4)
    above, below = power @ x[:4], 1 + THERMAL * (power[:, :3] @ x[4:])
    return np.hstack([power / below[:, None], -(above / below**2)[:, None] * power[:, 1:]])


def roots_of_power(x):
    return x[0] * (x[1] + THERMAL) ** (-1 / x[2]) + 35


def roots_of_power_jacobian(x):
    base = x[1] + THERMAL
    power = base ** (-1 / x[2])
    return columns(power, -x[0] * power / (x[2] * base), x[0] * power * np.log(base) / x[2] ** 2)


def diode(x):
    """A current of 1e-12, a resistance of 1e6 and an ideality of about 1 in one vector."""
    return x[0] * np.expm1(VOLTS / (0.0257 * x[1])) + VOLTS / x[2] - 1e-6


def diode_jacobian(x):
    power = np.exp(VOLTS / (0.0257 * x[1]))
    return columns(power - 1, -x[0] * power * VOLTS / (0.0257 * x[1] ** 2), -VOLTS / x[2] ** 2)


VOLTS = np.linspace(0.1, 0.7, 9)

FITS = (
    Fit("rosenbrock", rosenbrock, rosenbrock_jacobian, (-1.2, 1.0)),
    Fit("freudenstein", freudenstein, freudenstein_jacobian, (0.5, -2.0)),
    Fit("powell badly scaled", powell_badly_scaled, powell_badly_scaled_jacobian, (1.1e-5, 9.1)),
    Fit("brown badly scaled", brown_badly_scaled, brown_badly_scaled_jacobian, (1.1e6, 2.1e-6)),
    Fit("beale", beale, beale_jacobian, (1.0, 1.3)),
    Fit("jennrich", jennrich, jennrich_jacobian, (0.3, 0.4)),
    Fit("helical", helical, helical_jacobian, (-1.0, 0.3, 0.2)),
    Fit("bard", bard, bard_jacobian, (1.0, 1.2, 0.9)),
    Fit("gaussian", gaussian, gaussian_jacobian, (0.4, 1.0, 0.1)),
    Fit("meyer", meyer, meyer_jacobian, (0.02, 4000.0, 250.0)),
    Fit("box", box, box_jacobian, (0.5, 10.0, 20.0)),
    Fit("powell singular", powell_singular, powell_singular_jacobian, (3.0, -1.0, 0.3, 1.0)),
    Fit("wood", wood, wood_jacobian, (-3.0, -1.0, -3.0, -1.5)),
    Fit("kowalik", kowalik, kowalik_jacobian, (0.25, 0.39, 0.415, 0.39)),
    Fit("brown and dennis", brown_dennis, brown_dennis_jacobian, (25.0, 5.0, -5.0, -1.0)),
    Fit("osborne", osborne, osborne_jacobian, (0.5, 1.5, -1.0, 0.01, 0.02)),
    Fit("biggs", biggs, biggs_jacobian, (1.0, 2.0, 1.0, 1.0, 1.5, 1.2)),
    Fit("trigonometric", trigonometric, trigonometric_jacobian, (0.1, 0.2, 0.3, 0.4, 0.5)),
    Fit("michaelis", michaelis, michaelis_jacobian, (205.0, 0.08)),
    Fit("logistic", logistic, logistic_jacobian, (70.0, 2.3, 0.7)),
    Fit("arrhenius", arrhenius, arrhenius_jacobian, (1.3e6, 2.4e4, 1.7e-12)),
    Fit("penalty", penalty, penalty_jacobian, (1.0, 2.0, 3.0, 4.0)),
    Fit(
        "variably dimensioned",
        variably_dimensioned,
        variably_dimensioned_jacobian,
        (0.75, 0.5, 0.25, 0.1),
    ),
    Fit("watson", watson, watson_jacobian, (0.1, 1.0, -0.3, 1.2, -1.5, 1.0)),
    Fit(
        "brown almost linear",
        brown_almost_linear,
        brown_almost_linear_jacobian,
        (0.5, 0.6, 0.7, 0.8, 0.9),
    ),
    Fit("boundary value", boundary_value, boundary_value_jacobian, (-0.1, -0.2, -0.2, -0.1)),
    Fit(
        "integral equation", integral_equation, integral_equation_jacobian, (-0.1, -0.2, -0.2, -0.1)
    ),
    Fit(
        "broyden tridiagonal",
        broyden_tridiagonal,
        broyden_tridiagonal_jacobian,
        (-1.0, -0.9, -1.1, -0.8, -1.2),
    ),
    Fit(
        "broyden banded",
        broyden_banded,
        broyden_banded_jacobian,
        (-1.0, -0.9, -1.1, -0.8, -1.2, -1.0, -0.7),
    ),
    Fit("linear of rank 1", linear_of_rank_1, linear_of_rank_1_jacobian, (1.0, 1.2, 0.9, 1.1)),
    Fit("chebyquad", chebyquad, chebyquad_jacobian, (0.15, 0.32, 0.51, 0.68, 0.83)),
    Fit(
        "two peaks",
        two_peaks,
        two_peaks_jacobian,
        (94.0, 0.0105, 99.0, 63.0, 25.0, 71.0, 180.0, 20.0),
    ),
    Fit(
        "rational",
        rational,
        rational_jacobian,
        (1.1, -0.12, 4e-3, -1.4e-6, -5.8e-3, 2.4e-4, -1.2e-7),
    ),
    Fit("roots of power", roots_of_power, roots_of_power_jacobian, (-2000.0, 45.0, 0.85)),
    Fit("diode", diode, diode_jacobian, (1.3e-12, 1.4, 2.2e6)),
)
