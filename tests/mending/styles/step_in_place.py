# ruff: noqa
# fmt: off
"""An update that changes the weights in place; no biases; rows."""

import numpy as np
from gradcheck import StepCase

def nonlin(x,deriv=False):
    if(deriv==True):
        return x*(1-x)
    return 1/(1+np.exp(-x))

def loss(p, X, y):
    l1 = nonlin(np.dot(X,p["syn0"]))
    l2 = nonlin(np.dot(l1,p["syn1"]))
    return 0.5*np.sum((y-l2)**2)

def train_step(p, lr, X, y):
    syn0, syn1 = p["syn0"], p["syn1"]

    # Feed forward through layers 0, 1, and 2
    l0 = X
    l1 = nonlin(np.dot(l0,syn0))
    l2 = nonlin(np.dot(l1,syn1))

    # how much did we miss the target value?
    l2_error = y - l2

    # in what direction is the target value?
    l2_delta = l2_error*nonlin(l2,deriv=True)

    # how much did each l1 value contribute to the l2 error?
    l1_error = l2_delta.dot(syn1.T)
    l1_delta = l1_error * nonlin(l1,deriv=True)

    syn1 += lr * l1.T.dot(l2_delta)
    syn0 += lr * l0.T.dot(l1_delta)

def draw(rng, m):
    p = {"syn0": 2*rng.random((4, 5))-1, "syn1": 2*rng.random((5, 3))-1}
    return p, rng.standard_normal((m, 4)), rng.random((m, 3))

def make():
    p, X, y = draw(np.random.default_rng(7), 7)

    def step(q, lr):
        train_step(q, lr, X, y)

    return StepCase(step, p, loss=lambda q: loss(q, X, y), learning_rate=0.1, inputs=X, targets=y)

def gradients(rng, samples):
    p, X, y = draw(rng, samples)
    q = {name: value.copy() for name, value in p.items()}
    train_step(q, 0.5, X, y)
    return [(p[name]-q[name])/0.5 for name in p]
