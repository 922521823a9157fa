import numpy as np

rng = np.random.default_rng(0)
x, y = rng.normal(size=6), np.array([1.0, 0.0, 0.0])
W1, W2 = rng.normal(size=(6, 5)), rng.normal(size=(5, 3))
lr = 0.1
for _ in range(10):
    h = np.tanh(np.dot(x, W1))
    o = np.dot(h, W2)
    error = o - y
    W2 -= lr * np.dot(error, h.T)
    W1 -= lr * np.outer(x, np.dot(W2, error) * (1 - h ** 2))
