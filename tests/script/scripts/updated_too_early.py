import numpy as np

rng = np.random.default_rng(6)
X, Y = rng.normal(size=(15, 3)), rng.normal(size=(15, 2))
W1, W2 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
learning_rate = 0.01
for epoch in range(100):
    H = np.tanh(X @ W1)
    out = H @ W2
    cost = np.sum((out - Y) ** 2) / 2
    delta = out - Y
    W2 = W2 - learning_rate * H.T @ delta
    W1 = W1 - learning_rate * X.T @ ((delta @ W2.T) * (1 - H ** 2))
