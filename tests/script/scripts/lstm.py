import numpy as np
np.random.seed(0)
T, n, h = 6, 3, 4
xs = np.random.randn(T, n)
target = np.random.randn(T, h)
W = np.random.randn(4 * h, n + h) * 0.3
b = np.zeros(4 * h)
sig = lambda z: 1 / (1 + np.exp(-z))
lr = 0.05
for epoch in range(50):
    hs, cs, caches = [np.zeros(h)], [np.zeros(h)], []
    loss = 0.0
    for t in range(T):
        v = np.concatenate([xs[t], hs[-1]])
        z = W @ v + b
        i, f, o, g = sig(z[:h]), sig(z[h:2*h]), sig(z[2*h:3*h]), np.tanh(z[3*h:])
        c = f * cs[-1] + i * g
        tc = np.tanh(c)
        hs.append(o * tc); cs.append(c)
        caches.append((v, i, f, o, g, tc))
        loss += 0.5 * np.sum((hs[-1] - target[t]) ** 2)
    dW, db = np.zeros_like(W), np.zeros_like(b)
    dh_next, dc_next = np.zeros(h), np.zeros(h)
    for t in reversed(range(T)):
        v, i, f, o, g, tc = caches[t]
        dh = hs[t + 1] - target[t] + dh_next
        dc = dh * o * (1 - tc ** 2) + dc_next
        dz = np.concatenate([dc * g * i * (1 - i), dc * cs[t] * f * (1 - f), dh * tc * o * (1 - o), dc * i * (1 - g ** 2)])
        dW += np.outer(dz, v)
        db += dz
        dv = W.T @ dz
        dh_next = dv[n:]
        dc_next = dc * f
    W -= lr * dW
    b -= lr * db
    print(epoch, loss)
