# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""All parameters in one vector, in the way of a course: theta, penalty, slices."""

import numpy as np

rng = np.random.default_rng(5)
N, H, K = 3, 4, 2
X, Y = rng.normal(size=(8, N)), np.eye(K)[[0, 1, 1, 0, 0, 1, 0, 1]]
LAM = 0.3


def params():
    return rng.normal(size=H * (N + 1) + K * (H + 1))


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def unroll(theta):
    T1 = theta[: H * (N + 1)].reshape(H, N + 1)
    T2 = theta[H * (N + 1) :].reshape(K, H + 1)
    return T1, T2


def loss(theta):
    T1, T2 = unroll(theta)
    m = len(X)
    A1 = np.hstack([np.ones((m, 1)), X])
    A2 = np.hstack([np.ones((m, 1)), sigmoid(A1 @ T1.T)])
    A3 = sigmoid(A2 @ T2.T)
    J = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
    return J + LAM / (2 * m) * (np.sum(T1[:, 1:] ** 2) + np.sum(T2[:, 1:] ** 2))


def grad(theta):
    T1, T2 = unroll(theta)
    m = len(X)
    A1 = np.hstack([np.ones((m, 1)), X])
    Z2 = A1 @ T1.T
    A2 = np.hstack([np.ones((m, 1)), sigmoid(Z2)])
    A3 = sigmoid(A2 @ T2.T)
    D3 = A3 - Y
    D2 = (D3 @ T2)[:, 1:] * sigmoid(Z2) * (1 - sigmoid(Z2))
    G1 = D2.T @ A1 / m
    G2 = D3.T @ A2 / m
    G1[:, 1:] += LAM / m * T1[:, 1:]
    G2[:, 1:] += LAM / m * T2[:, 1:]
    return np.concatenate([G1.ravel(), G2.ravel()])
