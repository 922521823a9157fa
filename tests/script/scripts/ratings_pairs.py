import numpy as np

rng = np.random.RandomState(3)
ratings = [(0, 0, 4.0), (0, 2, 1.0), (1, 0, 5.0), (2, 1, 2.0), (3, 2, 4.5), (3, 1, 3.0)]
users, items = rng.rand(4, 3), rng.rand(3, 3)


def visit(u, v, error, lr=0.01, reg=0.05):
    old = users[u].copy()
    users[u] += lr * (2 * error * items[v] - reg * users[u])
    items[v] += lr * (2 * error * old - reg * items[v])
    return error ** 2


for epoch in range(40):
    total = 0.0
    for u, v, r in ratings:
        total += visit(u, v, r - users[u] @ items[v])
    print(epoch, total / len(ratings))
