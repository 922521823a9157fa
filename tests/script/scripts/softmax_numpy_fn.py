# %% data
import numpy as np
%matplotlib inline

np.random.seed(10)
X = np.random.randn(40, 3)
labels = np.random.randint(0, 4, 40)
T = np.eye(4)[labels]

# %% model
def softmax(a):
    e = np.exp(a - np.max(a, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)

def cross_entropy(p, t):
    return -np.sum(t * np.log(p)) / len(t)

theta = np.zeros((3, 4)) + 0.01

# %% training
losses = []
alpha = 0.3
for i in range(100):
    P = softmax(X.dot(theta))
    losses.append(cross_entropy(P, T))
    gradient = X.T.dot(P - T) / len(X)
    theta = theta - alpha * gradient
!ls
