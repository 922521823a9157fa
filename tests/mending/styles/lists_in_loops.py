# ruff: noqa
# fmt: off
"""Lists of weights and biases, loops over the layers with negative indices; columns."""

import numpy as np
from gradcheck import Case

SIZES = [4, 5, 3, 2]

def sigmoid(z):
    """The sigmoid function."""
    return 1.0/(1.0+np.exp(-z))

def sigmoid_prime(z):
    """Derivative of the sigmoid function."""
    return sigmoid(z)*(1-sigmoid(z))

def cost_derivative(output_activations, y):
    return (output_activations-y)

def feedforward(weights, biases, a):
    for b, w in zip(biases, weights):
        a = sigmoid(np.dot(w, a)+b)
    return a

def cost(params, x, y):
    biases, weights = params
    a = feedforward(weights, biases, x)
    return 0.5*np.sum((a-y)**2)/x.shape[1]

def backprop(params, x, y):
    biases, weights = params
    num_layers = len(weights)+1
    n = x.shape[1]
    nabla_b = [np.zeros(b.shape) for b in biases]
    nabla_w = [np.zeros(w.shape) for w in weights]
    # feedforward
    activation = x
    activations = [x]  # list to store all the activations, layer by layer
    zs = []  # list to store all the z vectors, layer by layer
    for b, w in zip(biases, weights):
        z = np.dot(w, activation)+b
        zs.append(z)
        activation = sigmoid(z)
        activations.append(activation)
    # backward pass
    delta = cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1]) / n
    nabla_b[-1] = delta.sum(axis=1, keepdims=True)
    nabla_w[-1] = np.dot(delta, activations[-2].transpose())
    for l in range(2, num_layers):
        z = zs[-l]
        sp = sigmoid_prime(z)
        delta = np.dot(weights[-l+1].transpose(), delta) * sp
        nabla_b[-l] = delta.sum(axis=1, keepdims=True)
        nabla_w[-l] = np.dot(delta, activations[-l-1].transpose())
    return [nabla_b, nabla_w]

def draw(rng, m):
    biases = [rng.standard_normal((y, 1)) for y in SIZES[1:]]
    weights = [rng.standard_normal((y, x)) for x, y in zip(SIZES[:-1], SIZES[1:])]
    return [biases, weights], rng.standard_normal((4, m)), rng.random((2, m))

def make():
    params, x, y = draw(np.random.default_rng(3), 7)
    return Case(lambda p: cost(p, x, y), params, lambda p: backprop(p, x, y), inputs=x, targets=y)

def gradients(rng, samples):
    nabla_b, nabla_w = backprop(*draw(rng, samples))
    return nabla_b+nabla_w
