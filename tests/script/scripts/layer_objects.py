import numpy as np


class Dense:
    learning_rate = 0.05

    def __init__(self, n, k, seed):
        self.weights = np.random.default_rng(seed).normal(size=(n, k)) * 0.5
        self.bias = np.zeros(k)

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, grad):
        back = grad @ self.weights.T
        self.weights -= self.learning_rate * (self.x.T @ grad)
        self.bias -= self.learning_rate * grad.sum(axis=0)
        return back


class Relu:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad):
        return grad * self.mask


def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / y_true.size


rng = np.random.default_rng(0)
X, Y = rng.normal(size=(16, 3)), rng.normal(size=(16, 2))
network = [Dense(3, 6, 1), Relu(), Dense(6, 2, 2)]
for e in range(50):
    output = X
    for layer in network:
        output = layer.forward(output)
    error = mse(Y, output)
    grad = mse_prime(Y, output)
    for layer in reversed(network):
        grad = layer.backward(grad)
    print("%d/%d, error=%f" % (e + 1, 50, error))
