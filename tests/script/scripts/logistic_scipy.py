import numpy as np
from scipy.optimize import minimize


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cost(theta, X, y, lam):
    h = sigmoid(X @ theta)
    return -np.mean(y * np.log(h) + (1 - y) * np.log(1 - h)) + lam / (2 * len(y)) * np.sum(theta[1:] ** 2)


def gradient(theta, X, y, lam):
    g = X.T @ (sigmoid(X @ theta) - y) / len(y)
    g[1:] += lam / len(y) * theta[1:]
    return g


rng = np.random.default_rng(0)
X = np.c_[np.ones(30), rng.normal(size=(30, 3))]
y = (X[:, 1] + rng.normal(size=30) > 0).astype(float)
result = minimize(cost, np.zeros(4), args=(X, y, 1.0), method="BFGS", jac=gradient)
print(result.x)
