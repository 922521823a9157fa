import numpy as np

rng = np.random.default_rng(4)
X = rng.normal(size=(12, 3))
y = X @ np.array([1.0, -2.0, 0.5]) + 0.3
w = np.zeros(3)
b = 0.0
lr = 0.05
for epoch in range(100):
    pred = X @ w + b
    loss = np.mean((pred - y) ** 2)
    dw = 2 * X.T @ (pred - y) / len(y)
    db = 2 * np.mean(pred - y)
    w -= lr * dw
    b -= lr * db
    if epoch % 10 == 0:
        print(epoch, loss)
