# ruff: noqa
# fmt: off
"""A network of three neurons with every weight a number of its own."""

import numpy as np

from gradcheck import Case


def sigmoid(x):
  # Our activation function: f(x) = 1 / (1 + e^(-x))
  return 1 / (1 + np.exp(-x))


def deriv_sigmoid(x):
  # Derivative of sigmoid: f'(x) = f(x) * (1 - f(x))
  fx = sigmoid(x)
  return fx * (1 - fx)


def loss(p, data, all_y_trues):
  total = 0.0
  for x, y_true in zip(data, all_y_trues):
    h1 = sigmoid(p["w1"] * x[0] + p["w2"] * x[1] + p["b1"])
    h2 = sigmoid(p["w3"] * x[0] + p["w4"] * x[1] + p["b2"])
    o1 = sigmoid(p["w5"] * h1 + p["w6"] * h2 + p["b3"])
    total += (y_true - o1) ** 2
  return total


def gradient(p, data, all_y_trues):
  w1, w2, w3, w4, w5, w6 = p["w1"], p["w2"], p["w3"], p["w4"], p["w5"], p["w6"]
  b1, b2, b3 = p["b1"], p["b2"], p["b3"]
  g = dict.fromkeys(p, 0.0)
  for x, y_true in zip(data, all_y_trues):
    # --- Do a feedforward (we'll need these values later)
    sum_h1 = w1 * x[0] + w2 * x[1] + b1
    h1 = sigmoid(sum_h1)
    sum_h2 = w3 * x[0] + w4 * x[1] + b2
    h2 = sigmoid(sum_h2)
    sum_o1 = w5 * h1 + w6 * h2 + b3
    o1 = sigmoid(sum_o1)
    y_pred = o1

    # --- Naming: d_L_d_w1 represents "partial L / partial w1"
    d_L_d_ypred = -2 * (y_true - y_pred)

    # Neuron o1
    d_ypred_d_w5 = h1 * deriv_sigmoid(sum_o1)
    d_ypred_d_w6 = h2 * deriv_sigmoid(sum_o1)
    d_ypred_d_b3 = deriv_sigmoid(sum_o1)

    d_ypred_d_h1 = w5 * deriv_sigmoid(sum_o1)
    d_ypred_d_h2 = w6 * deriv_sigmoid(sum_o1)

    # Neuron h1
    d_h1_d_w1 = x[0] * deriv_sigmoid(sum_h1)
    d_h1_d_w2 = x[1] * deriv_sigmoid(sum_h1)
    d_h1_d_b1 = deriv_sigmoid(sum_h1)

    # Neuron h2
    d_h2_d_w3 = x[0] * deriv_sigmoid(sum_h2)
    d_h2_d_w4 = x[1] * deriv_sigmoid(sum_h2)
    d_h2_d_b2 = deriv_sigmoid(sum_h2)

    g["w1"] += d_L_d_ypred * d_ypred_d_h1 * d_h1_d_w1
    g["w2"] += d_L_d_ypred * d_ypred_d_h1 * d_h1_d_w2
    g["b1"] += d_L_d_ypred * d_ypred_d_h1 * d_h1_d_b1
    g["w3"] += d_L_d_ypred * d_ypred_d_h2 * d_h2_d_w3
    g["w4"] += d_L_d_ypred * d_ypred_d_h2 * d_h2_d_w4
    g["b2"] += d_L_d_ypred * d_ypred_d_h2 * d_h2_d_b2
    g["w5"] += d_L_d_ypred * d_ypred_d_w5
    g["w6"] += d_L_d_ypred * d_ypred_d_w6
    g["b3"] += d_L_d_ypred * d_ypred_d_b3
  return g


NAMES = ("w1", "w2", "w3", "w4", "w5", "w6", "b1", "b2", "b3")


def draw(rng, m):
  p = {name: float(rng.normal()) for name in NAMES}
  return p, rng.normal(size=(m, 2)), (rng.random(m) > 0.5).astype(float)


def make():
  p, data, y = draw(np.random.default_rng(6), 7)
  return Case(
    lambda q: loss(q, data, y), p, lambda q: gradient(q, data, y), inputs=data, targets=y
  )


def gradients(rng, samples):
  return list(gradient(*draw(rng, samples)).values())
