# A question: updating weights and biases in a network for handwritten digits.
# Not shown where it was published: the imports, `sigmoid`, the pictures, and the call of `fit`.

import numpy as np


def sigmoid(x, derivative=False):
    if derivative:
        return sigmoid(x) * (1 - sigmoid(x))
    return 1 / (1 + np.exp(-x))


# From here on as it was published.

class NeuralNetwork():

    learning_rate = 0.0001
    ephochs = 10000
    nodes_in_input_layer = 784
    nodes_in_hidden_layer = 100
    nodes_in_output_layer = 10

    np.random.seed(3)

    def __init__(self):

        self.hidden_layer = {'weights': np.random.rand(self.nodes_in_input_layer, self.nodes_in_hidden_layer)*0.1,
                             'biases': np.random.rand(self.nodes_in_hidden_layer)*0.1}

        self.output_layer = {'weights': np.random.rand(self.nodes_in_hidden_layer, self.nodes_in_output_layer)*0.1,
                             'biases': np.random.rand(self.nodes_in_output_layer)*0.1}

        print('self.hidden_layer: ', self.hidden_layer['weights'].shape)
        print('self.output_layer: ', self.output_layer['weights'].shape)

    def fit(self, x, y, ephochs=ephochs):

        for i in range(ephochs):

            z_hidden_layer = np.dot(x[i], self.hidden_layer['weights']) + self.hidden_layer['biases']
            o_hidden_layer = sigmoid(z_hidden_layer)
            z_output_layer = np.dot(o_hidden_layer, self.output_layer['weights']) + self.output_layer['biases']
            o_output_layer = sigmoid(z_output_layer)

            error = o_output_layer - y[i]

            derror_do = error
            do_dz = sigmoid(z_output_layer, derivative=True)
            dz_dw = o_hidden_layer

            nw_output_layer = derror_do * do_dz
            nw_output_layer = np.dot(nw_output_layer, dz_dw.T)
            nb_output_layer = error

            self.output_layer['weights'] = self.output_layer['weights'] - (self.learning_rate * nw_output_layer)
            self.output_layer['biases'] = self.output_layer['biases'] - (self.learning_rate * nb_output_layer)


# Not shown where it was published.

pictures = np.random.uniform(size=(40, 784)) * (np.random.uniform(size=(40, 784)) < 0.2)
digits = np.eye(10)[np.random.randint(0, 10, size=40)]
NeuralNetwork().fit(pictures, digits, 40)
