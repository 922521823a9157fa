import numpy as np

rng = np.random.default_rng(0)
sizes = [3, 5, 2]
weights = [rng.normal(size=(a, b)) for a, b in zip(sizes, sizes[1:])]
biases = [np.zeros(b) for b in sizes[1:]]
vw = [np.zeros_like(w) for w in weights]
vb = [np.zeros_like(b) for b in biases]
x, t = rng.normal(size=(10, 3)), rng.normal(size=(10, 2))
learning_rate, mu = 0.01, 0.9

for step in range(50):
    acts = [x]
    for w, b in zip(weights, biases):
        acts.append(np.tanh(acts[-1] @ w + b))
    loss = 0.5 * np.sum((acts[-1] - t) ** 2)
    delta = (acts[-1] - t) * (1 - acts[-1] ** 2)
    gw, gb = [None, None], [None, None]
    for i in (1, 0):
        gw[i] = acts[i].T @ delta
        gb[i] = delta.sum(axis=0)
        delta = (delta @ weights[i].T) * (1 - acts[i] ** 2)
    for i in range(2):
        vw[i] = mu * vw[i] - learning_rate * gw[i]
        vb[i] = mu * vb[i] - learning_rate * gb[i]
        weights[i] += vw[i]
        biases[i] += vb[i]
