import numpy as np

rng = np.random.default_rng(2)
x = rng.normal(size=20)
y = 3 * x - 1 + 0.1 * rng.normal(size=20)
m, c = 0.0, 0.0
L = 0.01
for i in range(200):
    pred = m * x + c
    loss = ((y - pred) ** 2).mean()
    D_m = -2 / len(x) * sum(x * (y - pred))
    D_c = 2 / len(x) * sum(y - pred)
    m = m - L * D_m
    c = c - L * D_c
