import os
import time
import numpy as np


def fit(X, y, n_iter=100, lr=0.1):
    coef = np.zeros(X.shape[1])
    intercept = 0.0
    for k in range(n_iter):
        z = X.dot(coef) + intercept
        h = 1 / (1 + np.exp(-z))
        cost = -(y * np.log(h) + (1 - y) * np.log(1 - h)).mean()
        grad = X.T.dot(h - y) / y.size
        coef = coef - lr * grad
        intercept = intercept - lr * (h - y).mean()
        np.save("coef.npy", coef)
        with open("log.txt", "a") as log:
            log.write(str(cost))
        time.sleep(5)
    return coef, intercept


os.makedirs("out", exist_ok=True)
rng = np.random.RandomState(0)
X = rng.randn(50, 3)
y = (X[:, 0] - X[:, 1] > 0).astype(int)
fit(X, y)
