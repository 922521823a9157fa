import numpy as np
rng = np.random.default_rng(3)
X = rng.normal(size=(64, 10)).astype(np.float32)
Y = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 64)]
W = (0.1 * rng.normal(size=(10, 4))).astype(np.float32)
b = np.zeros(4, dtype=np.float32)
lr = np.float32(0.5)
for step in range(50):
    logits = X @ W + b
    logits -= logits.max(axis=1, keepdims=True)
    e = np.exp(logits)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.mean(np.sum(Y * np.log(p), axis=1))
    g = (p - Y) / X.shape[0]
    W -= lr * (X.T @ g)
    b -= lr * g.sum(axis=0)
