"""torch modules, tensors and autograd functions, where torch is installed."""

import numpy as np
import pytest

import gradcheck

torch = pytest.importorskip("torch")

BOUND = {torch.float64: 1e-7, torch.float32: 1e-2}


def network(dtype=torch.float64):
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 2)
    )
    return layers.to(dtype)


def data(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(6, 4, dtype=dtype, generator=generator),
        torch.randn(6, 2, dtype=dtype, generator=generator),
    )


def verdicts(report):
    return {block.name: block.verdict for block in report.blocks}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_module_and_a_closure(dtype):
    net, (inputs, targets) = network(dtype), data(dtype)
    net[0].weight.grad = torch.ones_like(net[0].weight)
    state = {name: value.clone() for name, value in net.state_dict().items()}

    report = gradcheck.check(lambda: ((net(inputs) - targets) ** 2).mean(), net)

    assert report.ok, str(report)
    assert list(verdicts(report)) == [name for name, _ in net.named_parameters()]
    resolutions = [block.resolution for block in report.blocks if block.resolution is not None]
    assert max(resolutions) < BOUND[dtype]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert torch.equal(net[0].weight.grad, torch.ones_like(net[0].weight))
    assert net[3].weight.grad is None


def test_a_module_with_a_gradient_function_of_its_own():
    net, (inputs, targets) = network(), data()

    def loss(net):
        return ((net(inputs) - targets) ** 2).mean()

    def scaled(net):
        loss(net).backward()
        net[3].bias.grad *= 3

    report = gradcheck.check(loss, net, scaled)
    assert [name for name, verdict in verdicts(report).items() if verdict != "ok"] == ["3.bias"]


def test_a_float32_error_of_one_percent_is_seen():
    net, (inputs, targets) = network(torch.float32), data(torch.float32)

    def off(net):
        ((net(inputs) - targets) ** 2).mean().backward()
        net[3].weight.grad *= 1.01

    report = gradcheck.check(lambda net: ((net(inputs) - targets) ** 2).mean(), net, off)
    assert verdicts(report)["3.weight"] == "wrong"


class Sigmoid(torch.autograd.Function):
    """Right, or with the derivative taken of the output."""

    factor = 1.0

    @staticmethod
    def forward(context, inputs, weight):
        output = torch.sigmoid(inputs @ weight)
        context.save_for_backward(inputs, weight, output)
        return output

    @classmethod
    def slope(cls, output):
        return output * (1 - output)

    @staticmethod
    def backward(context, upstream):
        inputs, weight, output = context.saved_tensors
        delta = upstream * output * (1 - output)
        return delta @ weight.T, inputs.T @ delta


class Wrong(Sigmoid):
    @staticmethod
    def backward(context, upstream):
        inputs, weight, output = context.saved_tensors
        delta = upstream * output * (1 - output)
        return delta @ weight.T, inputs.T @ upstream


@pytest.mark.parametrize(("function", "weight"), [(Sigmoid, "ok"), (Wrong, "wrong")])
def test_a_custom_autograd_function(function, weight):
    inputs = (torch.randn(5, 3, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64))
    report = gradcheck.check_layer(function.apply, None, inputs)
    assert verdicts(report) == {"inputs": "ok", "weight": weight}


def test_a_layer_on_tensors_with_its_own_backward():
    inputs = (torch.randn(5, 3, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64))

    def backward(upstream, cache):
        left, right = cache
        return upstream @ right.T, left.T @ upstream

    assert gradcheck.check_layer(lambda x, w: (x @ w, (x, w)), backward, inputs).ok


@pytest.mark.parametrize("way", ["automatic", "returned", "left in .grad"])
def test_containers_of_tensors_are_copied(way):
    inputs, targets = data()
    weight = torch.randn(4, 2, dtype=torch.float64)
    before = weight.clone()

    def loss(params):
        return ((inputs @ params["W"] - targets) ** 2).sum()

    gradient = {
        "automatic": None,
        "returned": lambda params: {"W": 2 * inputs.T @ (inputs @ params["W"] - targets)},
        "left in .grad": lambda params: loss(params).backward(),
    }[way]
    assert gradcheck.check(loss, {"W": weight}, gradient).ok
    assert torch.equal(weight, before)
    assert weight.grad is None


class Model:
    """A class of the user's own that holds tensors."""

    def __init__(self):
        self.W = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)

    def loss(self):
        inputs, targets = data()
        return ((inputs @ self.W - targets) ** 2).sum()


def test_tensors_in_an_object_are_moved_themselves_and_put_back():
    model = Model()
    kept, before = model.W, model.W.detach().clone()
    assert gradcheck.check(Model.loss, model, lambda model: model.loss().backward()).ok
    assert model.W is kept
    assert torch.equal(kept, before)
    assert kept.grad is None


def test_a_detached_loss_is_told():
    net, (inputs, _) = network(), data()
    with pytest.raises(gradcheck.UsageError, match="without a graph"):
        gradcheck.check(lambda: net(inputs).detach().sum(), net)


def test_a_type_that_numpy_does_not_have_is_refused():
    with pytest.raises(gradcheck.UsageError, match=r"bfloat16.*convert to float32"):
        gradcheck.check(lambda p: p.sum(), torch.ones(3, dtype=torch.bfloat16))


def test_the_random_state_is_as_before():
    net, (inputs, targets) = network(), data()
    state = torch.get_rng_state()

    def loss():
        torch.manual_seed(3)
        return ((torch.nn.functional.dropout(net(inputs), 0.5) - targets) ** 2).mean()

    assert gradcheck.check(loss, net).ok
    assert torch.equal(torch.get_rng_state(), state)


def test_numpy_gradients_of_a_torch_loss():
    inputs, targets = data()
    x, y = inputs.numpy(), targets.numpy()

    def loss(w):
        return ((torch.as_tensor(x @ w) - targets) ** 2).sum()

    assert gradcheck.check(loss, np.ones((4, 2)), lambda w: 2 * x.T @ (x @ w - y)).ok
