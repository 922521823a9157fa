import numpy as np

rng = np.random.default_rng(7)
Xtr, Xva = rng.normal(size=(40, 3)), rng.normal(size=(15, 3))
true = np.array([[2.], [-1.], [0.5]])
Ytr, Yva = Xtr @ true, Xva @ true
theta = rng.normal(size=(3, 1))
history = {"train_loss": [], "val_loss": []}
lr = 0.1

def loss_fn(X, Y, th):
    r = X @ th - Y
    return float(np.mean(r * r))

def grad_fn(X, Y, th):
    return 2.0 / len(X) * X.T @ (X @ th - Y)

while True:
    g = grad_fn(Xtr, Ytr, theta)
    theta = theta - lr * g
    train_loss = loss_fn(Xtr, Ytr, theta)
    val_loss = loss_fn(Xva, Yva, theta)
    history["train_loss"].append(train_loss)
    history["val_loss"].append(val_loss)
    if val_loss < 1e-6:
        break
