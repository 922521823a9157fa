import numpy as np
rng = np.random.default_rng(4)
X, Y = rng.normal(size=(24, 5)), rng.integers(0, 3, size=24)
W1, W2 = rng.normal(size=(5, 8)) * .5, rng.normal(size=(8, 3)) * .5
gamma, beta, b2 = np.ones(8), np.zeros(8), np.zeros(3)
run_mean, run_var, mom, eps, lr = np.zeros(8), np.ones(8), 0.9, 1e-5, 0.1
for i in range(100):
    Z = X @ W1
    mu, var = Z.mean(0), Z.var(0)
    run_mean = mom * run_mean + (1 - mom) * mu
    run_var = mom * run_var + (1 - mom) * var
    xhat = (Z - mu) / np.sqrt(var + eps)
    H = np.maximum(0, gamma * xhat + beta)
    S = H @ W2 + b2
    S -= S.max(1, keepdims=True)
    P = np.exp(S) / np.exp(S).sum(1, keepdims=True)
    loss = -np.log(P[range(24), Y]).mean()
    acc = (P.argmax(1) == Y).mean()
    dS = P.copy(); dS[range(24), Y] -= 1; dS /= 24
    dW2, db2 = H.T @ dS, dS.sum(0)
    dH = dS @ W2.T; dH[H <= 0] = 0
    dgamma, dbeta = (dH * xhat).sum(0), dH.sum(0)
    dx = dH * gamma
    dZ = (dx - dx.mean(0) - xhat * (dx * xhat).mean(0)) / np.sqrt(var + eps)
    dW1 = X.T @ dZ
    for p, d in ((W1, dW1), (W2, dW2), (gamma, dgamma), (beta, dbeta), (b2, db2)):
        p -= lr * d
    if i % 10 == 0: print("loss %.3f acc %.2f" % (loss, acc))
