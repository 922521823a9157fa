import math
import random

random.seed(3)
data = [((0.1, 0.9), 1.0), ((0.8, 0.3), 0.0), ((0.4, 0.6), 1.0)]
w = [random.uniform(-1, 1) for _ in range(2)]
b = random.uniform(-1, 1)
rate = 0.3


def sigmoid(z):
    return 1.0 / (1.0 + math.exp(-z))


for epoch in range(100):
    gw, gb, loss = [0.0, 0.0], 0.0, 0.0
    for x, t in data:
        p = sigmoid(w[0] * x[0] + w[1] * x[1] + b)
        loss -= t * math.log(p) + (1 - t) * math.log(1 - p)
        for j in range(2):
            gw[j] += (p - t) * x[j]
        gb += p - t
    for j in range(2):
        w[j] -= rate * gw[j]
    b -= rate * gb
