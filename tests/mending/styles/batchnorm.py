# ruff: noqa
# fmt: off
"""Batch normalisation as a single layer, with its cache; rows."""

import numpy as np

from gradcheck import LayerCase


def batchnorm_forward(x, gamma, beta):
    N, D = x.shape
    eps = 1e-5
    #step1: calculate mean
    mu = 1. / N * np.sum(x, axis = 0)
    #step2: subtract mean vector of every training example
    xmu = x - mu
    #step3: following the lower branch - calculation denominator
    var = 1. / N * np.sum(xmu ** 2, axis = 0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1. / sqrtvar
    xhat = xmu * ivar
    out = gamma * xhat + beta
    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    #step7
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    #step6
    dsqrtvar = -1. / (sqrtvar ** 2) * divar
    #step5
    dvar = 0.5 * 1. / np.sqrt(var + eps) * dsqrtvar
    #step4
    dsq = 1. / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    #step1
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1. / N * np.ones((N, D)) * dmu
    #step0
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def draw(rng, m):
    return 2 * rng.standard_normal((m, 4)) + 1, rng.standard_normal(4), rng.standard_normal(4)


def make():
    return LayerCase(batchnorm_forward, batchnorm_backward, draw(np.random.default_rng(10), 7))


def gradients(rng, samples):
    out, cache = batchnorm_forward(*draw(rng, samples))
    return list(batchnorm_backward(rng.standard_normal(out.shape), cache))
