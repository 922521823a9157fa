import numpy as np
class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases
    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)
class Activation_ReLU:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)
    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0
class Softmax_Loss:
    def forward(self, inputs, y):
        e = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = e / np.sum(e, axis=1, keepdims=True)
        conf = np.clip(self.output, 1e-7, 1 - 1e-7)[range(len(y)), y]
        return np.mean(-np.log(conf))
    def backward(self, dvalues, y):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(y)), y] -= 1
        self.dinputs = self.dinputs / len(y)
class Optimizer_RMSprop:
    def __init__(self, learning_rate=0.02, decay=1e-5, rho=0.9, epsilon=1e-7):
        self.learning_rate = learning_rate
        self.current_learning_rate = learning_rate
        self.decay, self.rho, self.epsilon, self.iterations = decay, rho, epsilon, 0
    def pre_update_params(self):
        self.current_learning_rate = self.learning_rate * (1. / (1. + self.decay * self.iterations))
    def update_params(self, layer):
        if not hasattr(layer, 'weight_cache'):
            layer.weight_cache = np.zeros_like(layer.weights)
            layer.bias_cache = np.zeros_like(layer.biases)
        layer.weight_cache = self.rho * layer.weight_cache + (1 - self.rho) * layer.dweights ** 2
        layer.bias_cache = self.rho * layer.bias_cache + (1 - self.rho) * layer.dbiases ** 2
        layer.weights += -self.current_learning_rate * layer.dweights / (np.sqrt(layer.weight_cache) + self.epsilon)
        layer.biases += -self.current_learning_rate * layer.dbiases / (np.sqrt(layer.bias_cache) + self.epsilon)
    def post_update_params(self):
        self.iterations += 1
np.random.seed(0)
X = np.random.randn(60, 2); y = (np.arctan2(X[:, 1], X[:, 0]) // 2.1 + 2).astype(int) % 3
dense1, relu, dense2, out = Layer_Dense(2, 8), Activation_ReLU(), Layer_Dense(8, 3), Softmax_Loss()
optimizer = Optimizer_RMSprop()
for epoch in range(1001):
    dense1.forward(X); relu.forward(dense1.output); dense2.forward(relu.output)
    loss = out.forward(dense2.output, y)
    acc = np.mean(np.argmax(out.output, axis=1) == y)
    if not epoch % 100:
        print(f'epoch: {epoch}, acc: {acc:.3f}, loss: {loss:.3f}, lr: {optimizer.current_learning_rate}')
    out.backward(out.output, y); dense2.backward(out.dinputs); relu.backward(dense2.dinputs); dense1.backward(relu.dinputs)
    optimizer.pre_update_params()
    optimizer.update_params(dense1); optimizer.update_params(dense2)
    optimizer.post_update_params()
