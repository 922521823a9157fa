import numpy as np
import matplotlib.pyplot as plt


def initialize(n_x, n_h, n_y):
    np.random.seed(2)
    return {"W1": np.random.randn(n_h, n_x) * 0.3, "b1": np.zeros((n_h, 1)),
            "W2": np.random.randn(n_y, n_h) * 0.3, "b2": np.zeros((n_y, 1))}


def forward(X, parameters):
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    A2 = 1 / (1 + np.exp(-Z2))
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2, Y):
    m = Y.shape[1]
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(1 - Y, np.log(1 - A2))
    return -np.sum(logprobs) / m


def backward(parameters, cache, X, Y):
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dW2 = np.dot(dZ2, cache["A1"].T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.dot(parameters["W2"].T, dZ2) * (1 - np.power(cache["A1"], 2))
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}


def update(parameters, grads, learning_rate=1.2):
    return {k: parameters[k] - learning_rate * grads["d" + k] for k in parameters}


def nn_model(X, Y, n_h, iterations=1000, print_cost=False):
    parameters = initialize(X.shape[0], n_h, Y.shape[0])
    costs = []
    for i in range(iterations):
        A2, cache = forward(X, parameters)
        cost = compute_cost(A2, Y)
        grads = backward(parameters, cache, X, Y)
        parameters = update(parameters, grads)
        if print_cost and i % 100 == 0:
            print("Cost after iteration %i: %f" % (i, cost))
            costs.append(cost)
    plt.plot(costs)
    plt.show()
    return parameters


np.random.seed(1)
X = np.random.randn(2, 30)
Y = (X[0:1] * X[1:2] > 0).astype(float)
nn_model(X, Y, 4, print_cost=True)
