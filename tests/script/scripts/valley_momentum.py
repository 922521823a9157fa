import numpy as np
def f(th): return (th[0] - 1) ** 2 + 100 * (th[1] - th[0] ** 2) ** 2
def df(th): return np.array([2 * (th[0] - 1) - 400 * th[0] * (th[1] - th[0] ** 2), 200 * (th[1] - th[0] ** 2)])
th = np.array([-1.2, 1.0])
v = np.zeros(2)
for k in range(1000):
    objective = f(th)
    v = 0.9 * v - 1e-4 * df(th)
    th = th + v
    if np.linalg.norm(df(th)) < 1e-6: break
