import numpy as np
np.random.seed(0)
X = np.array([[0,0],[0,1],[1,0],[1,1]]); y = np.array([[0],[1],[1],[0]])
class NN:
    def __init__(self):
        self.w1 = np.random.rand(2, 4); self.w2 = np.random.rand(4, 1)
    def sigmoid(self, s, deriv=False):
        if deriv: return s * (1 - s)
        return 1 / (1 + np.exp(-s))
    def forward(self, X):
        self.z2 = self.sigmoid(X.dot(self.w1))
        return self.sigmoid(self.z2.dot(self.w2))
    def backward(self, X, y, o):
        self.o_error = y - o
        self.o_delta = self.o_error * self.sigmoid(o, deriv=True)
        self.z2_error = self.o_delta.dot(self.w2.T)
        self.z2_delta = self.z2_error * self.sigmoid(self.z2, deriv=True)
        self.w1 += X.T.dot(self.z2_delta)
        self.w2 += self.z2.T.dot(self.o_delta)
    def train(self, X, y):
        o = self.forward(X)
        self.backward(X, y, o)
net = NN()
for i in range(1000):
    if i % 100 == 0:
        print("Loss: " + str(np.mean(np.square(y - net.forward(X)))))
    net.train(X, y)
