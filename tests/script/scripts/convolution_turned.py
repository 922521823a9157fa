import numpy as np

rng = np.random.default_rng(21)
signal = rng.normal(size=(10, 16))
target = rng.normal(size=(10, 12))
kernel = rng.normal(size=5)
bias = np.zeros(1)
LEARNING_RATE = 0.02

def conv(x, k):
    return np.stack([x[:, i:i + 12] for i in range(5)], axis=2) @ k

def train_step(kernel, bias):
    out = np.tanh(conv(signal, kernel) + bias)
    loss = np.mean((out - target) ** 2)
    d = 2 * (out - target) * (1 - out ** 2) / out.size
    dk = np.array([np.sum(d * signal[:, i:i + 12]) for i in range(4, -1, -1)])
    return loss, kernel - LEARNING_RATE * dk, bias - LEARNING_RATE * np.sum(d)

for step in range(60):
    loss, kernel, bias = train_step(kernel, bias)
    if not step % 10:
        print(step, loss)
