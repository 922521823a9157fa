import numpy as np


class Net:
    def __init__(self, sizes, lr=0.1):
        rng = np.random.RandomState(1)
        self.W1 = rng.randn(sizes[0], sizes[1]) * 0.5
        self.b1 = np.zeros((1, sizes[1]))
        self.W2 = rng.randn(sizes[1], sizes[2]) * 0.5
        self.b2 = np.zeros((1, sizes[2]))
        self.lr = lr

    def forward(self, X):
        self.a1 = np.tanh(X @ self.W1 + self.b1)
        self.z2 = self.a1 @ self.W2 + self.b2
        e = np.exp(self.z2 - self.z2.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def compute_loss(self, y):
        return -np.mean(np.log(self.p[np.arange(len(y)), y]))

    def backward(self, X, y):
        m = len(y)
        d2 = self.p.copy()
        d2[np.arange(m), y] -= 1
        d2 /= m
        self.dW2 = self.a1.T @ d2
        self.db2 = d2.sum(axis=0, keepdims=True)
        d1 = (d2 @ self.W2.T) * (1 - self.a1 ** 2)
        self.dW1 = X.T @ d1
        self.db1 = d1.sum(axis=0, keepdims=True)

    def update(self):
        self.W1 -= self.lr * self.dW1
        self.b1 -= self.lr * self.db1
        self.W2 -= self.lr * self.dW2
        self.b2 -= self.lr * self.db2

    def train(self, X, y, epochs):
        history = []
        for epoch in range(epochs):
            self.forward(X)
            loss = self.compute_loss(y)
            self.backward(X, y)
            self.update()
            history.append(loss)
        return history


if __name__ == "__main__":
    rng = np.random.RandomState(0)
    X = rng.randn(20, 4)
    y = rng.randint(0, 3, size=20)
    net = Net([4, 5, 3])
    net.train(X, y, 200)
