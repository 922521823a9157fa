import numpy as np

rng = np.random.default_rng(5)
X = rng.normal(size=(30, 4))
y = np.sin(X.sum(axis=1, keepdims=True))
params = {"W1": rng.normal(size=(4, 8)) * 0.5, "b1": np.zeros((1, 8)),
          "W2": rng.normal(size=(8, 1)) * 0.5, "b2": np.zeros((1, 1))}
m = {k: np.zeros_like(v) for k, v in params.items()}
v = {k: np.zeros_like(p) for k, p in params.items()}
alpha, beta1, beta2, eps = 0.01, 0.9, 0.999, 1e-8


def loss_and_grads(params):
    a = np.tanh(X @ params["W1"] + params["b1"])
    out = a @ params["W2"] + params["b2"]
    loss = np.mean((out - y) ** 2)
    d = 2 * (out - y) / len(X)
    grads = {"W2": a.T @ d, "b2": d.sum(0, keepdims=True)}
    da = d @ params["W2"].T * (1 - a)
    grads["W1"] = X.T @ da
    grads["b1"] = da.sum(0, keepdims=True)
    return loss, grads


for t in range(1, 300):
    loss, grads = loss_and_grads(params)
    for k in params:
        m[k] = beta1 * m[k] + (1 - beta1) * grads[k]
        v[k] = beta2 * v[k] + (1 - beta2) * grads[k] ** 2
        mhat = m[k] / (1 - beta1 ** t)
        vhat = v[k] / (1 - beta2 ** t)
        params[k] = params[k] - alpha * mhat / (np.sqrt(vhat) + eps)
