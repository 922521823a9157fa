import numpy as np
rng = np.random.default_rng(12)
X, T = rng.normal(size=(18, 4)), rng.normal(size=(18, 2))
W, b = rng.normal(size=(4, 2)), np.zeros(2)
vW, vb = np.zeros_like(W), np.zeros_like(b)
LR, MOM, WD = 0.02, 0.9, 1e-3
for epoch in range(40):
    for k in range(0, 18, 6):
        x, t = X[k:k+6], T[k:k+6]
        y = x @ W + b
        E = y - t
        L = (E ** 2).sum() / len(x)
        dW = 2 * x.T @ E / len(x)
        db = 2 * E.sum(axis=0) / len(x)
        vW = MOM * vW + dW + WD * W
        vb = MOM * vb + db
        W = W - LR * vW
        b = b - LR * vb
