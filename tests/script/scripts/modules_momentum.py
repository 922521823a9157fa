import numpy as np
from dataclasses import dataclass, field


@dataclass
class Parameter:
    value: np.ndarray
    grad: np.ndarray = None


class Linear:
    def __init__(self, i, o, rng):
        self.w = Parameter(rng.normal(0, 1 / np.sqrt(i), (i, o)))
        self.b = Parameter(np.zeros(o))

    def __call__(self, x):
        self.x = x
        return x @ self.w.value + self.b.value

    def backward(self, g):
        self.w.grad = self.x.T @ g
        self.b.grad = g.sum(0)
        return g @ self.w.value.T

    def parameters(self):
        return [self.w, self.b]


class Tanh:
    def __call__(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, g):
        return g * (1 - self.y ** 2)

    def parameters(self):
        return []


class SGD:
    def __init__(self, params, lr=0.1, momentum=0.9):
        self.params, self.lr, self.momentum = params, lr, momentum
        self.v = [np.zeros_like(p.value) for p in params]

    def step(self):
        for i, p in enumerate(self.params):
            self.v[i] = self.momentum * self.v[i] + (1 - self.momentum) * p.grad
            p.value -= self.lr * self.v[i]


def main():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(24, 3))
    Y = np.stack([X[:, 0] * X[:, 1], X[:, 2] ** 2], axis=1)
    layers = [Linear(3, 7, rng), Tanh(), Linear(7, 2, rng)]
    opt = SGD([p for layer in layers for p in layer.parameters()])
    for epoch in range(100):
        out = X
        for layer in layers:
            out = layer(out)
        loss = ((out - Y) ** 2).mean()
        g = 2 * (out - Y) / out.size
        for layer in reversed(layers):
            g = layer.backward(g)
        opt.step()
        if epoch % 10 == 0:
            print(f"{epoch}: loss={loss:.4f}")


if __name__ == "__main__":
    main()
