import numpy as np
rng = np.random.default_rng(2)
X = rng.normal(size=(30, 3)); y = rng.normal(size=(30, 1)) * 50
params = [rng.normal(size=(3, 6)), np.zeros((1, 6)), rng.normal(size=(6, 1)), np.zeros((1, 1))]
eta, max_norm = 1e-3, 1.0
best = np.inf
for it in range(200):
    W1, b1, W2, b2 = params
    h = np.maximum(0, X @ W1 + b1)
    out = h @ W2 + b2
    mse = np.mean((out - y) ** 2)
    d = 2 * (out - y) / len(y)
    gW2, gb2 = h.T @ d, d.sum(0, keepdims=True)
    dh = (d @ W2.T) * (h > 0)
    grads = [X.T @ dh, dh.sum(0, keepdims=True), gW2, gb2]
    norm = np.sqrt(sum(np.sum(g ** 2) for g in grads))
    if norm > max_norm:
        grads = [g * max_norm / norm for g in grads]
    for p, g in zip(params, grads):
        p -= eta * g
    if mse < best:
        best = mse
    elif it > 50:
        break
