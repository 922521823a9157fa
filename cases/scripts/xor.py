# An answer: a Python neural network for the XOR problem, published whole; comments left out.

import numpy as np


def sigmoid_function(x, derivative=False):
    if (derivative):
        return x * (1 - x)
    else:
        return 1/(1 + np.exp(-x))


input_data = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ideal_output = np.array([[0.0], [1.0], [1.0], [0.0]])

learning_rate = 0.1
epoch = 50000

input_layer_neurons = input_data.shape[1]
hidden_layer_neurons = 3
output_layer_neurons = 1

weights_hidden = np.random.uniform(size=(input_layer_neurons, hidden_layer_neurons))
bias_hidden = np.random.uniform(1, hidden_layer_neurons)
weights_output = np.random.uniform(size=(hidden_layer_neurons, output_layer_neurons))
bias_output = np.random.uniform(1, output_layer_neurons)

for i in range(epoch):
    hidden_layer_input_temp = np.dot(input_data, weights_hidden)
    hidden_layer_input = hidden_layer_input_temp + bias_hidden
    hidden_layer_activations = sigmoid_function(hidden_layer_input)

    output_layer_input_temp = np.dot(hidden_layer_activations, weights_output)
    output_layer_input = output_layer_input_temp + bias_output
    output = sigmoid_function(output_layer_input)

    error = ideal_output - output
    if (i % 1000 == 0):
        print("Error: {}".format(np.mean(abs(error))))

    slope_output_layer = sigmoid_function(output, derivative=True)
    slope_hidden_layer = sigmoid_function(hidden_layer_activations, derivative=True)

    delta_output = error * slope_output_layer
    error_hidden_layer = delta_output.dot(weights_output.T)
    delta_hidden = error_hidden_layer * slope_hidden_layer

    weights_output += hidden_layer_activations.T.dot(delta_output) * learning_rate
    bias_output += np.sum(delta_output, axis=0, keepdims=True) * learning_rate
    weights_hidden += input_data.T.dot(delta_hidden) * learning_rate
    bias_hidden += np.sum(delta_hidden, axis=0, keepdims=True) * learning_rate
