import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


class Perceptron(object):
    def __init__(self):
        self.w1 = np.random.randn(3, 4)
        self.w2 = np.random.randn(4, 1)

    def train(self, X, Y, epochs=10, eta=0.2):
        for _ in range(epochs):
            for x, y in zip(X, Y):
                x = x.reshape(1, -1)
                hidden = sigmoid(x.dot(self.w1))
                out = sigmoid(hidden.dot(self.w2))
                diff = out - y
                d_out = diff * out * (1 - out)
                d_hid = d_out.dot(self.w2.T) * hidden * (1 - hidden)
                self.w2 -= eta * hidden.T.dot(d_out)
                self.w1 -= eta * x.T.dot(d_hid)


np.random.seed(0)
X = np.random.randn(8, 3)
Y = (X.sum(axis=1) > 0).astype(float).reshape(-1, 1)
Perceptron().train(X, Y)
