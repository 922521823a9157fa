"""A 4-6-6-6-1 relu network with the numbers of its source; the question is how to go on backward.

Rows, mean squared error, parameters in two lists, gradients in variables.
"""

import numpy as np

import gradcheck

NETWORK = "4-6-6-6-1 relu/linear, mean squared error, m=1, rows"
SOURCE = "a question: computing the gradients of a network in plain Python"

X = np.array([[-1.086, 0.997, 0.283, -1.506]])
T = np.array([[-0.579]])
W1 = np.array(
    [
        [-0.339, -0.047, 0.746, -0.319, -0.222, -0.217],
        [1.103, 1.093, 0.502, 0.193, 0.369, 0.745],
        [-0.468, 0.588, -0.627, -0.319, 0.454, -0.714],
        [-0.070, -0.431, -0.128, -1.399, -0.886, -0.350],
    ]
)
W2 = np.array(
    [
        [0.379, -0.071, 0.001, 0.281, -0.359, 0.116],
        [-0.329, -0.705, -0.160, 0.234, 0.138, -0.005],
        [0.977, 0.169, 0.400, 0.914, -0.528, -0.424],
        [0.712, -0.326, 0.012, 0.437, 0.364, 0.716],
        [0.611, 0.437, -0.315, 0.325, 0.128, -0.541],
        [0.579, 0.330, 0.019, -0.095, -0.489, 0.081],
    ]
)
W3 = np.array(
    [
        [0.191, -0.339, 0.474, -0.448, -0.867, 0.424],
        [-0.165, -0.051, -0.342, -0.656, 0.512, -0.281],
        [0.678, 0.330, -0.128, -0.443, -0.299, -0.495],
        [0.852, 0.067, 0.470, -0.517, 0.074, 0.481],
        [-0.137, 0.421, -0.443, -0.557, 0.155, -0.155],
        [0.262, -0.807, 0.291, 1.061, -0.010, 0.014],
    ]
)
W4 = np.array([[0.073], [-0.760], [0.174], [-0.655], [-0.175], [0.507]])
B1 = np.array([-0.760, 0.174, -0.655, -0.175, 0.507, -0.300])
B2 = np.array([0.205, 0.413, 0.114, -0.560, -0.136, 0.800])
B3 = np.array([-0.827, -0.113, -0.225, 0.049, 0.305, 0.657])
B4 = np.array([-0.270])


def parameters():
    return {
        "W1": W1, "B1": B1, "W2": W2, "B2": B2, "W3": W3, "B3": B3, "W4": W4, "B4": B4,
    }  # fmt: skip


def forward(p, X):
    Z1 = X.dot(p["W1"]) + p["B1"]
    A1 = np.maximum(0, Z1)
    Z2 = A1.dot(p["W2"]) + p["B2"]
    A2 = np.maximum(0, Z2)
    Z3 = A2.dot(p["W3"]) + p["B3"]
    A3 = np.maximum(0, Z3)
    Y = A3.dot(p["W4"]) + p["B4"]
    return Z1, A1, Z2, A2, Z3, A3, Y


def error(p, X, T):
    Y = forward(p, X)[-1]
    return ((Y - T) ** 2).mean()


def last_layer_only(p, X, T):
    Z1, A1, Z2, A2, Z3, A3, Y = forward(p, X)
    DY = 2 * (Y - T)
    DB4 = DY.mean(axis=0)
    DW4 = A3.T.dot(DY) / len(X)
    return {"DW4": DW4, "DB4": DB4}


def all_layers(p, X, T):
    Z1, A1, Z2, A2, Z3, A3, Y = forward(p, X)
    DY = 2 * (Y - T)
    DB4 = DY.mean(axis=0)
    DW4 = A3.T.dot(DY) / len(X)
    DZ3 = DY.dot(p["W4"].T) * (Z3 > 0)
    DB3 = DZ3.mean(axis=0)
    DW3 = A2.T.dot(DZ3) / len(X)
    DZ2 = DZ3.dot(p["W3"].T) * (Z2 > 0)
    DB2 = DZ2.mean(axis=0)
    DW2 = A1.T.dot(DZ2) / len(X)
    DZ1 = DZ2.dot(p["W2"].T) * (Z1 > 0)
    DB1 = DZ1.mean(axis=0)
    DW1 = X.T.dot(DZ1) / len(X)
    return {
        "DW1": DW1, "DB1": DB1, "DW2": DW2, "DB2": DB2,
        "DW3": DW3, "DB3": DB3, "DW4": DW4, "DB4": DB4,
    }  # fmt: skip


def make_case(backward, params, X, T):
    outputs = T.shape[1]
    return gradcheck.Case(
        loss=lambda p: error(p, X, T),
        params=params,
        grad=lambda p: backward(p, X, T),
        inputs=X,
        targets=T,
        network=gradcheck.MLP(
            [4, 6, 6, 6, outputs], ["relu", "relu", "relu", "linear"], "squared_error_mean_all"
        ),
    )


@gradcheck.case(
    expect={"blocks": ["W1", "B1", "W2", "B2", "W3", "B3"], "rules": ["gradient-missing"]}
)
def published():
    """only the gradients of the last layer are known"""
    return make_case(last_layer_only, parameters(), X, T)


@gradcheck.case(
    expect={
        "blocks": ["W1", "B1", "W2", "B2", "W3", "B3", "W4", "B4"],
        "rules": ["factor-two"],
    }
)
def two_outputs():
    """divided by len(X), where the mean is over m times two outputs"""
    rng = np.random.default_rng(1)
    params = parameters()
    params["W4"] = np.hstack([W4, rng.standard_normal((6, 1)).round(3)])
    params["B4"] = np.array([-0.270, 0.134])
    inputs = np.vstack([X, rng.standard_normal((4, 4)).round(3)])
    targets = rng.standard_normal((5, 2)).round(3)
    return make_case(all_layers, params, inputs, targets)


@gradcheck.case
def fixed():
    """none: the whole backward pass"""
    return make_case(all_layers, parameters(), X, T)


def train(variant, seed, epochs=100, learning_rate=0.05):
    """from the source's own numbers, learning rate 0.05 unless another is given"""
    backward = last_layer_only if variant == "published" else all_layers
    made = (two_outputs if variant == "two_outputs" else fixed)().options
    p, X, T = made["params"], made["inputs"], made["targets"]
    yield error(p, X, T), p
    for _ in range(epochs):
        grads = backward(p, X, T)
        p = {name: value - learning_rate * grads.get("D" + name, 0) for name, value in p.items()}
        yield error(p, X, T), p
