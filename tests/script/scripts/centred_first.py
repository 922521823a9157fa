import numpy as np
import sys

rng = np.random.default_rng(17)
X = rng.normal(size=(20, 3)) + 4
Y = X @ rng.normal(size=(3, 2))
for column in range(3):
    X[:, column] -= X[:, column].mean()
    X[:, column] /= X[:, column].std()
for row in Y:
    row -= 0.5
W = np.zeros((3, 2))
for epoch in range(5):
    print("epoch", epoch, file=sys.stderr)
    R = X @ W - Y
    J = np.sum(R * R) / (2 * len(X))
    W -= 0.3 * X.T @ R / len(X)
