# ruff: noqa
# fmt: off
"""One sample after the other, the gradients added up; flat vectors."""

import numpy as np

from gradcheck import Case


def sigm(v):
    return 1 / (1 + np.exp(-v))


def predict(theta, x):
    h = np.tanh(theta['Wh'] @ x + theta['bh'])
    return sigm(theta['Wo'] @ h + theta['bo'])


def total_error(theta, xs, ts):
    E = 0.0
    for x, t in zip(xs, ts):
        o = predict(theta, x)
        E += 0.5 * np.sum((t - o) ** 2)
    return E / len(xs)


def total_gradient(theta, xs, ts):
    Wh, bh, Wo, bo = theta['Wh'], theta['bh'], theta['Wo'], theta['bo']
    N = len(xs)
    gWh = np.zeros_like(Wh)
    gbh = np.zeros_like(bh)
    gWo = np.zeros_like(Wo)
    gbo = np.zeros_like(bo)
    for i in range(N):
        x = xs[i]
        t = ts[i]
        # forward
        h = np.tanh(Wh @ x + bh)
        o = sigm(Wo @ h + bo)
        # backward
        do = -(t - o) * o * (1 - o)
        dh = (Wo.T @ do) * (1 - h ** 2)
        gWo += np.outer(do, h)
        gbo += do
        gWh += np.outer(dh, x)
        gbh += dh
    return {'Wh': gWh / N, 'bh': gbh / N, 'Wo': gWo / N, 'bo': gbo / N}


def draw(rng, N):
    theta = {
        'Wh': rng.normal(size=(5, 4)),
        'bh': rng.normal(size=5),
        'Wo': rng.normal(size=(3, 5)),
        'bo': rng.normal(size=3),
    }
    return theta, rng.normal(size=(N, 4)), rng.random((N, 3))


def make():
    theta, xs, ts = draw(np.random.default_rng(5), 7)
    return Case(
        lambda th: total_error(th, xs, ts),
        theta,
        lambda th: total_gradient(th, xs, ts),
        inputs=xs,
        targets=ts,
    )


def gradients(rng, samples):
    return list(total_gradient(*draw(rng, samples)).values())
