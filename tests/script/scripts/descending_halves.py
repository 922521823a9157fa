import numpy as np

rng = np.random.default_rng(9)
x = rng.normal(size=(3, 14))
y = rng.normal(size=(1, 14))
w1 = rng.normal(size=(5, 3))
w2 = rng.normal(size=(1, 5))
for i in range(400):
    a1 = 1 / (1 + np.exp(-(w1 @ x)))
    yhat = w2 @ a1
    if i % 50 == 0:
        print("loss:", np.mean((yhat - y) ** 2))
    g2 = (yhat - y) @ a1.T
    g1 = ((w2.T @ (yhat - y)) * a1 * (1 - a1)) @ x.T
    w2 = w2 - 0.02 * g2
    w1 = w1 - 0.02 * g1
