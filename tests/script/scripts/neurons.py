# everything by hand, in loops
import random, math
random.seed(1)

class Neuron:
    def __init__(self, n):
        self.weights = [random.uniform(-1, 1) for _ in range(n)]
        self.bias = random.uniform(-1, 1)
        self.output = 0.0
        self.delta = 0.0
    def activate(self, inputs):
        self.inputs = inputs
        s = self.bias
        for w, x in zip(self.weights, inputs):
            s += w * x
        self.output = 1 / (1 + math.exp(-s))
        return self.output

hidden = [Neuron(2) for _ in range(3)]
out = Neuron(3)
data = [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)]
lr = 0.5
for epoch in range(1000):
    total_error = 0
    for x, t in data:
        hs = [n.activate(x) for n in hidden]
        o = out.activate(hs)
        total_error += 0.5 * (t - o) ** 2
        out.delta = (t - o) * o * (1 - o)
        for j, n in enumerate(hidden):
            n.delta = out.delta * out.weights[j] * n.output * (1 - n.output)
        for n in hidden + [out]:
            for k in range(len(n.weights)):
                n.weights[k] += lr * n.delta * n.inputs[k]
            n.bias += lr * n.delta
    if epoch % 100 == 0:
        print(epoch, total_error)
