# ruff: noqa
# fmt: off
"""Affine, relu, affine, softmax with labels as numbers and an L2 penalty; rows, flat biases."""

import numpy as np

from gradcheck import Case


def scores_of(X, params):
  W1, b1 = params['W1'], params['b1']
  W2, b2 = params['W2'], params['b2']
  hidden_layer = np.maximum(0, X.dot(W1) + b1)
  return hidden_layer, hidden_layer.dot(W2) + b2


def softmax(scores):
  exp_scores = np.exp(scores - np.max(scores, axis=1, keepdims=True))
  return exp_scores / np.sum(exp_scores, axis=1, keepdims=True)


def one_hot(y, K):
  return np.eye(K)[y]


def total_loss(params, X, y, reg):
  num_examples = X.shape[0]
  _, scores = scores_of(X, params)
  probs = softmax(scores)
  correct_logprobs = -np.log(probs[np.arange(num_examples), y])
  data_loss = np.sum(correct_logprobs) / num_examples
  reg_loss = 0.5 * reg * np.sum(params['W1'] * params['W1']) + 0.5 * reg * np.sum(
    params['W2'] * params['W2']
  )
  return data_loss + reg_loss


def evaluate_gradient(params, X, y, reg):
  W1, W2 = params['W1'], params['W2']
  num_examples = X.shape[0]
  hidden_layer, scores = scores_of(X, params)
  probs = softmax(scores)
  # compute the gradient on scores
  dscores = probs - one_hot(y, scores.shape[1])
  dscores /= num_examples
  # backpropate the gradient to the parameters
  # first backprop into parameters W2 and b2
  dW2 = np.dot(hidden_layer.T, dscores)
  db2 = np.sum(dscores, axis=0)
  # next backprop into hidden layer
  dhidden = np.dot(dscores, W2.T)
  # backprop the ReLU non-linearity
  dhidden[hidden_layer <= 0] = 0
  # finally into W,b
  dW1 = np.dot(X.T, dhidden)
  db1 = np.sum(dhidden, axis=0)
  # add regularization gradient contribution
  dW2 += reg * W2
  dW1 += reg * W1
  return {'W1': dW1, 'b1': db1, 'W2': dW2, 'b2': db2}


def draw(rng, m):
  params = {
    'W1': rng.standard_normal((4, 5)),
    'b1': rng.standard_normal(5),
    'W2': rng.standard_normal((5, 3)),
    'b2': rng.standard_normal(3),
  }
  return params, rng.standard_normal((m, 4)), rng.integers(0, 3, m)


def make():
  params, X, y = draw(np.random.default_rng(8), 7)
  reg = 0.05
  return Case(
    lambda p: total_loss(p, X, y, reg),
    params,
    lambda p: evaluate_gradient(p, X, y, reg),
    inputs=X,
    targets=y,
  )


def gradients(rng, samples):
  return list(evaluate_gradient(*draw(rng, samples), 0.3).values())
