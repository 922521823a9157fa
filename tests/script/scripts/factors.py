import numpy as np

rng = np.random.RandomState(11)
R = rng.rand(6, 5)
mask = (rng.rand(6, 5) > 0.3).astype(float)
P = rng.rand(6, 2)
Q = rng.rand(5, 2)
gamma, beta = 0.02, 0.01

def objective(P, Q):
    return np.sum(mask * (R - P @ Q.T) ** 2) + beta * (np.sum(P ** 2) + np.sum(Q ** 2))

for epoch in range(100):
    E = mask * (R - P @ Q.T)
    gP = -2 * E @ Q + 2 * beta * P
    gQ = -2 * E.T @ P + 2 * beta * Q
    P, Q = P - gamma * gP, Q - gamma * gQ
    if epoch % 20 == 0:
        print("objective", objective(P, Q))
