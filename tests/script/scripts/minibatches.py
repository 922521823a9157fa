import numpy as np

rng = np.random.default_rng(3)
X = rng.normal(size=(64, 5))
y = (X[:, :1] > 0).astype(float)
W1, b1 = rng.normal(size=(5, 6)) * 0.4, np.zeros(6)
W2, b2 = rng.normal(size=(6, 1)) * 0.4, np.zeros(1)
eta = 0.5
for epoch in range(20):
    order = rng.permutation(len(X))
    total = 0.0
    for start in range(0, len(X), 16):
        batch = order[start:start + 16]
        xb, yb = X[batch], y[batch]
        h = np.maximum(0, xb @ W1 + b1)
        p = 1 / (1 + np.exp(-(h @ W2 + b2)))
        batch_loss = -np.mean(yb * np.log(p) + (1 - yb) * np.log(1 - p))
        total += batch_loss
        dz = (p - yb) / len(xb)
        dW2, db2 = h.T @ dz, dz.sum(axis=0)
        dh = dz @ W2.T
        dh[h <= 0] = 0
        dW1, db1 = xb.T @ dh, dh.sum(axis=0)
        W1 -= eta * dW1
        b1 -= eta * db1
        W2 -= eta * dW2
        b2 -= eta * db2
    print(f"epoch {epoch}: loss {total:.4f}")
