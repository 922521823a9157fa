# A question: the loss explodes and comes back instead of overfitting ten images.
# Not shown where it was published: the imports, `train` and `labels`, and `update_parameters`.

import matplotlib.pyplot as plt
import numpy as np

np.random.seed(3)
train = np.random.uniform(size=(10, 12288))
labels = (np.arange(10) % 2).reshape(10, 1)


def update_parameters(grads, parameters, learning_rate):
    for i in range(1, len(parameters) // 2 + 1):
        parameters["W" + str(i)] = parameters["W" + str(i)] - learning_rate * grads["dW" + str(i)]
        parameters["b" + str(i)] = parameters["b" + str(i)] - learning_rate * grads["db" + str(i)]
    return parameters


# From here on as it was published.

def initialize_parameters(dims):
    parameters = {}
    L = len(dims)
    for i in range(1, L):
        parameters["W" + str(i)] = np.random.randn(dims[i], dims[i-1]) * 0.01
        parameters["b" + str(i)] = np.zeros([dims[i], 1])
    return parameters

def relu(x, deriv=False):
    if deriv:
        return 1. * (x > 0)
    else:
        return np.maximum(0,x)

def sigmoid(x, deriv=False):
    if deriv:
        return x * (1-x)
    else:
        return 1/(1 + np.exp(-x))

def forward_backward(X, Y, parameters):
    grads = {}
    m = Y.shape[1]

    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = relu(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    AL = sigmoid(Z2)

    cost = (-1 / m) * np.sum(np.multiply(Y, np.log(AL)) + np.multiply(1 - Y, np.log(1 - AL)))

    dAL = - (np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    dZ2 = dAL * sigmoid(AL, deriv=True)
    grads["dW2"] = np.dot(dZ2, A1.T) / m
    grads["db2"] = np.sum(dZ2, axis=1, keepdims=True) / m

    dA1 = np.dot(parameters["W2"].T, dZ2)
    dZ1 = dA1 * relu(A1, deriv=True)
    grads["dW1"] = np.dot(dZ1, X.T)
    grads["db1"] = np.sum(dZ1, axis=1, keepdims=True) / m

    return AL, grads, cost


dims = [12288, 64, 1]
epoches = 2000
learning_rate = 0.1

parameters = initialize_parameters(dims)
log_list = []

for i in range(epoches):
    x = np.array(train[0:10],ndmin=2).T
    y = np.array(labels[0:10], ndmin=2).T

    AL, grads, cost = forward_backward(x, y, parameters)
    log_list.append(cost)
    parameters = update_parameters(grads, parameters, learning_rate)

plt.plot(log_list)
plt.title("Loss of the network")
plt.show()
