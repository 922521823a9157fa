import numpy as np
np.random.seed(1)
X = np.random.randn(50, 4)
y = X @ np.array([1., 2., 3., 4.]) + 0.1 * np.random.randn(50)
w = np.zeros(4)
lr0, decay = 0.05, 0.01
losses = []
for t in range(500):
    lr = lr0 / (1 + decay * t)
    i = np.random.randint(50)
    grad = 2 * (X[i] @ w - y[i]) * X[i]
    w = w - lr * grad
    losses.append(np.mean((X @ w - y) ** 2))
