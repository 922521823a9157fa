import numpy as np


class Autoencoder:
    def __init__(self, n_visible, n_hidden, rng):
        self.W = rng.uniform(-0.3, 0.3, size=(n_visible, n_hidden))
        self.W_back = self.W.T
        self.b = np.zeros(n_hidden)
        self.c = np.zeros(n_visible)

    def train(self, x, lr):
        y = np.tanh(x @ self.W + self.b)
        z = y @ self.W_back + self.c
        loss = 0.5 * np.sum((z - x) ** 2)
        dz = z - x
        dy = (dz @ self.W) * (1 - y**2)
        self.W -= lr * (x.T @ dy + dz.T @ y)
        self.b -= lr * dy.sum(axis=0)
        self.c -= lr * dz.sum(axis=0)
        return loss


rng = np.random.default_rng(0)
data = rng.normal(size=(7, 5))
net = Autoencoder(5, 3, rng)
for epoch in range(50):
    loss = net.train(data, 0.01)
    if epoch % 10 == 0:
        print(epoch, loss)
