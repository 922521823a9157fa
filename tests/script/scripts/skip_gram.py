# word vectors: skip-gram with a full softmax
import numpy as np
from collections import Counter
corpus = "the cat sat on the mat the dog sat on the rug".split()
words = sorted(Counter(corpus))
idx = {w: i for i, w in enumerate(words)}
pairs = [(idx[corpus[i]], idx[corpus[j]]) for i in range(len(corpus)) for j in (i - 1, i + 1) if 0 <= j < len(corpus)]
np.random.seed(1)
V, D = len(words), 4
W_in, W_out = np.random.uniform(-1, 1, (V, D)), np.random.uniform(-1, 1, (D, V))
for epoch in range(5):
    loss = 0
    for center, context in pairs:
        h = W_in[center]
        u = np.dot(h, W_out)
        y = np.exp(u) / np.sum(np.exp(u))
        e = y.copy()
        e[context] -= 1
        dW_out = np.outer(h, e)
        dh = np.dot(W_out, e)
        loss += -u[context] + np.log(np.sum(np.exp(u)))
        W_out -= 0.05 * dW_out
        W_in[center] -= 0.05 * dh
    print("epoch", epoch, "loss", loss)
