# ruff: noqa
# fmt: off
"""An affine layer with a leaky relu, over inputs of two axes; rows."""

import numpy as np
import gradcheck

SLOPE = 0.1


def affine_leaky_forward(x, w, b):
  a = x.dot(w) + b
  out = np.where(a > 0, a, SLOPE * a)
  return out, (x, w, b, a)


def affine_leaky_backward(dout, cache):
  x, w, b, a = cache
  da = dout * np.where(a > 0, 1.0, SLOPE)
  dx = da.dot(w.T)
  dw = x.T.dot(da)
  db = da.sum(axis=0)
  return dx, dw, db


def draw(rng, m):
  return rng.standard_normal((m, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)


def make():
  return gradcheck.LayerCase(
    affine_leaky_forward, affine_leaky_backward, draw(np.random.default_rng(11), 7)
  )


def gradients(rng, samples):
  out, cache = affine_leaky_forward(*draw(rng, samples))
  return list(affine_leaky_backward(rng.standard_normal(out.shape), cache))
