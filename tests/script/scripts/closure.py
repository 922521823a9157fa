import numpy as np

def make_trainer(X, Y, hidden=4, step_size=0.1):
    rng = np.random.default_rng(0)
    W1 = rng.normal(size=(X.shape[1], hidden))
    W2 = rng.normal(size=(hidden, Y.shape[1]))

    def forward():
        H = np.tanh(X @ W1)
        return H, H @ W2

    def train(n):
        nonlocal W1, W2
        for _ in range(n):
            H, out = forward()
            diff = out - Y
            loss = 0.5 * np.mean(np.sum(diff ** 2, axis=1))
            g2 = H.T @ diff / len(X)
            g1 = X.T @ (diff @ W2.T * (1 - H ** 2)) / len(X)
            W1 = W1 - step_size * g1
            W2 = W2 - step_size * g2
        return loss
    return train

rng = np.random.default_rng(5)
X = rng.normal(size=(20, 3))
train = make_trainer(X, np.sin(X[:, :2]))
print(train(100))
