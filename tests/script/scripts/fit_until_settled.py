import numpy as np


class Settling:
    def labels(self):
        return ()

    def fit(self, X, y, lr=0.05, tol=1e-6, turns=400):
        X = np.c_[np.ones(len(X)), X]
        self.beta, last = np.zeros(X.shape[1]), np.inf
        for _ in range(turns):
            gap = X @ self.beta - y
            loss = (gap @ gap + 0.8 * self.beta @ self.beta) / len(y)
            if last - loss < tol:
                print("settled")
                return
            last = loss
            self.beta -= lr * self.slope(X, gap)

    def slope(self, X, gap):
        drawn = 2 * gap @ X
        pulled = 1.6 * self.beta
        return (drawn - pulled) / len(gap)


rng = np.random.default_rng(3)
X = rng.normal(size=(14, 3))
Settling().fit(X, X @ [1.0, -2.0, 0.5] + 0.2 * rng.normal(size=14))
