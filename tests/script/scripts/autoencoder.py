import numpy as np

np.random.seed(42)
data = np.random.rand(20, 6)
D, H = 6, 3
W = np.random.randn(D, H) * 0.3
b = np.zeros(H)
c = np.zeros(D)
alpha = 0.1

def relu(z): return np.maximum(z, 0)

for epoch in range(500):
    np.random.shuffle(data)
    mse = 0
    for x in data:
        h = relu(x @ W + b)
        xr = h @ W.T + c
        err = xr - x
        mse += np.sum(err ** 2) / 2
        dh = (err @ W) * (h > 0)
        dW = np.outer(err, h) + np.outer(x, dh)
        W -= alpha * dW
        b -= alpha * dh
        c -= alpha * err
    print(epoch, mse / len(data))
