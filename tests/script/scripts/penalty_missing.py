import numpy as np

rng = np.random.default_rng(8)
X = rng.normal(size=(25, 4))
y = rng.integers(0, 3, size=25)
W = 0.1 * rng.normal(size=(4, 3))
b = np.zeros((1, 3))
step_size, reg = 0.5, 0.01
for i in range(200):
    scores = X @ W + b
    exp = np.exp(scores)
    probs = exp / exp.sum(axis=1, keepdims=True)
    data_loss = -np.log(probs[range(25), y]).sum() / 25
    reg_loss = 0.5 * reg * np.sum(W * W)
    loss = data_loss + reg_loss
    dscores = probs
    dscores[range(25), y] -= 1
    dscores /= 25
    dW = X.T @ dscores
    db = dscores.sum(axis=0, keepdims=True)
    W += -step_size * dW
    b += -step_size * db
