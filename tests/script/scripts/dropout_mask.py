import numpy as np

X = np.random.randn(32, 6)
Y = np.random.randint(0, 2, (32, 1))
W1 = np.random.randn(6, 10) * 0.5
W2 = np.random.randn(10, 1) * 0.5
keep, lr, lam = 0.8, 0.1, 0.05
for i in range(1000):
    Z1 = X.dot(W1)
    A1 = np.maximum(Z1, 0)
    D1 = (np.random.rand(*A1.shape) < keep)
    A1 = A1 * D1 / keep
    A2 = 1 / (1 + np.exp(-A1.dot(W2)))
    cross_entropy_cost = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
    L2_cost = lam / 2 * (np.sum(W1 ** 2) + np.sum(W2 ** 2))
    cost = cross_entropy_cost + L2_cost
    dZ2 = (A2 - Y) / len(X)
    dW2 = A1.T.dot(dZ2) + lam * W2
    dA1 = dZ2.dot(W2.T)
    dZ1 = dA1 * (Z1 > 0)
    dW1 = X.T.dot(dZ1) + lam * W1
    W1 -= lr * dW1
    W2 -= lr * dW2
