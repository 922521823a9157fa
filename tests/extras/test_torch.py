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


def squares(net, inputs):
    return (net(inputs) ** 2).mean()


def test_what_takes_no_gradient_is_not_checked():
    net, (inputs, _) = network(), data()
    net[0].weight.requires_grad = False
    report = gradcheck.check(lambda: squares(net, inputs), net)
    assert report.ok
    assert verdicts(report)["0.weight"] == "not checked"


def test_of_inputs_those_that_take_gradients_are_checked():
    steps = torch.tensor([0.5, 1.5, -0.5], dtype=torch.float64)  # where round is not smooth
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    report = gradcheck.check_layer(lambda x, w: torch.round(x) * w, None, (steps, weight))
    assert report.ok
    assert verdicts(report) == {"x": "not checked", "w": "ok"}


def test_a_parameter_that_the_loss_does_not_use_has_gradient_zero():
    net, (inputs, _) = network(), data()
    idle = torch.nn.ModuleList([net, torch.nn.Linear(2, 2).double()])
    report = gradcheck.check(lambda: squares(net, inputs), idle)
    assert report.ok
    assert verdicts(report)["1.weight"] == "ok"


class HalfOfIt(torch.autograd.Function):
    """A product, with the gradient of one factor."""

    @staticmethod
    def forward(context, left, right):
        context.save_for_backward(right)
        return left * right

    @staticmethod
    def backward(context, upstream):
        (right,) = context.saved_tensors
        return upstream * right, None


def test_none_for_what_has_a_gradient_is_wrong():
    inputs, targets = data()
    report = gradcheck.check_layer(HalfOfIt.apply, None, (inputs[:, :2], targets))
    assert verdicts(report) == {"left": "ok", "right": "wrong"}
    assert report.findings[0].code == "GC408"
    assert report.findings[0].expression == "None"
    left, right = inputs[:, :2], targets.clone().requires_grad_()
    within = gradcheck.check(lambda right: HalfOfIt.apply(left, right).sin().sum(), right)
    assert verdicts(within) == {"params": "wrong"}  # all that torch returns is None
    assert within.findings[0].expression == "None"


def test_sparse_gradients_and_tensors():
    table = torch.nn.Embedding(5, 3, sparse=True).double()
    assert gradcheck.check(lambda: squares(table, torch.tensor([0, 3, 3])), table).ok
    with pytest.raises(gradcheck.UsageError, match="sparse tensor"):
        gradcheck.check_layer(lambda x: x * 2, None, (torch.eye(3).to_sparse(),))


def test_a_parameter_that_modules_share_is_one_block():
    first, second = torch.nn.Linear(3, 3).double(), torch.nn.Linear(3, 3).double()
    second.weight = first.weight
    net, inputs = torch.nn.Sequential(first, second), data()[0][:, :3]
    report = gradcheck.check(lambda: squares(net, inputs), net)
    assert report.ok
    assert list(verdicts(report)) == ["0.weight", "0.bias", "1.bias"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("factor", "refuted"), [(1, "fail"), (4, "pass")])
def test_half_precision_is_judged_as_far_as_it_shows(dtype, factor, refuted):
    net = torch.nn.Linear(4, 3).to(dtype)
    before = net.weight.detach().clone()
    inputs = data()[0].to(dtype)

    def grad(net):
        squares(net, inputs).backward()
        net.weight.grad *= factor

    report = gradcheck.check(lambda net: squares(net, inputs), net, grad)
    assert report.verdict != refuted
    assert torch.equal(net.weight, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("seed", range(4))
def test_no_false_alarm_in_half_precision(dtype, seed):
    inputs = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed)).to(dtype)
    functions = torch.nn.functional
    labels = torch.tensor([0, 2, 1])
    for function in (
        lambda x: functions.cross_entropy(x, labels),
        lambda x: functions.binary_cross_entropy_with_logits(x, torch.full_like(x, 0.25)),
        lambda x: x.logsumexp(1),
        lambda x: x.std(1),
        lambda x: torch.erf(x),
    ):
        report = gradcheck.check_layer(function, None, (inputs,), diagnose=False)
        assert report.verdict != "fail", str(report)


class Swish(torch.autograd.Function):
    """x sigmoid(beta x), whose slope lacks beta."""

    @staticmethod
    def forward(context, x, beta):
        gate = torch.sigmoid(beta * x)
        context.save_for_backward(x, beta, gate)
        return x * gate

    @staticmethod
    def backward(context, upstream):
        x, _, gate = context.saved_tensors
        bend = gate * (1 - gate)
        d_x = upstream * (gate + x * bend)
        return d_x, (upstream * x**2 * bend).sum()


BETA = torch.tensor(1.7, dtype=torch.float64)


def test_the_line_of_a_backward():
    report = gradcheck.check_layer(Swish.apply, None, (data()[0], BETA))
    assert verdicts(report) == {"x": "wrong", "beta": "ok"}
    assert report.findings[0].location.source == "d_x = upstream * (gate + x * bend)"
    assert "`beta * x` is wanted here" in report.findings[0].message


def test_functions_and_tensors_are_as_before_once_they_were_followed():
    inputs, before = data()[0], data()[0]
    forward, apply = Swish.__dict__["forward"], torch.autograd.Function.__dict__.get("apply")
    gradcheck.check(lambda x: Swish.apply(x, BETA).sum(), inputs)
    assert Swish.__dict__["forward"] is forward
    assert torch.autograd.Function.__dict__.get("apply") is apply
    assert type(BETA) is torch.Tensor
    assert torch.equal(inputs, before)


class Activated(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.affine, self.swish = torch.nn.Linear(4, 3).double(), Swish.apply

    def forward(self, inputs):
        return self.swish(self.affine(inputs), BETA)


def test_a_function_inside_of_a_module_is_blamed():
    net, (inputs, _) = Activated(), data()
    report = gradcheck.check(lambda: squares(net, inputs), net)
    finding = report.findings[0]
    assert finding.message.startswith("in Swish: ")
    assert finding.location.source == "d_x = upstream * (gate + x * bend)"
    assert set(finding.blocks) == {"affine.weight", "affine.bias"}


class Cube(torch.autograd.Function):
    generate_vmap_rule = True
    factor = 3

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(context, inputs, output):
        context.save_for_backward(inputs[0])

    @classmethod
    def slope(cls, x):
        return cls.factor * x**2

    @staticmethod
    def backward(context, upstream):
        (x,) = context.saved_tensors
        return upstream * Cube.slope(x)


class Halved(Cube):
    @staticmethod
    def backward(context, upstream):
        (x,) = context.saved_tensors
        return upstream * 1.5 * x**2


@pytest.mark.parametrize("wrap", [lambda function: function, torch.vmap])
def test_a_context_that_is_set_up_apart_and_a_batch(wrap):
    assert gradcheck.check_layer(wrap(Cube.apply), None, data()[0]).ok
    report = gradcheck.check_layer(wrap(Halved.apply), None, data()[0])
    assert report.findings[0].code in ("GC103", "GC105")
    assert report.findings[0].location.source == "return upstream * 1.5 * x**2"


class Summed(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.sum(1)

    @staticmethod
    def backward(context, upstream):
        return upstream


def test_a_gradient_of_another_shape():
    assert verdicts(gradcheck.check_layer(Summed.apply, None, data()[0])) == {"x": "shape"}


class Detached(Cube):
    @staticmethod
    def backward(context, upstream):
        (x,) = context.saved_tensors
        return upstream * 3 * x.detach() ** 2


@pytest.mark.parametrize(("function", "of_x"), [(Cube, "ok"), (Detached, "wrong")])
def test_double_backward(function, of_x):
    assert gradcheck.check_layer(function.apply, None, data()[0]).ok
    report = gradcheck.check_layer(function.apply, None, data()[0], order=2)
    assert verdicts(report) == {"x": of_x, "upstream": "ok"}


def test_the_gradient_of_the_gradient_of_a_loss():
    net, (inputs, targets) = network(), data()
    assert gradcheck.check(lambda: ((net(inputs) - targets) ** 2).mean(), net, order=2).ok
    weight = {"W": torch.full((4, 3), 0.3, dtype=torch.float64)}
    report = gradcheck.check(lambda p: Detached.apply(inputs @ p["W"]).sum(), weight, order=2)
    assert verdicts(report) == {"W": "wrong"}


@pytest.mark.parametrize(
    ("order", "backward", "words"),
    [(3, None, "order is 3"), (2, lambda upstream: upstream, "leave out the one by hand")],
)
def test_orders_that_are_not_offered(order, backward, words):
    with pytest.raises(gradcheck.UsageError, match=words):
        gradcheck.check_layer(torch.sin, backward, data()[0], order=order)


def test_what_torch_cannot_differentiate_twice_is_said():
    def loss(x):
        labels, lengths = torch.tensor([[1, 2]]), (torch.tensor([6]), torch.tensor([2]))
        return torch.nn.functional.ctc_loss(x[:, None].log_softmax(2), labels, *lengths)

    with pytest.raises(gradcheck.UsageError, match="torch cannot differentiate this"):
        gradcheck.check_layer(loss, None, data()[0], order=2)


def test_lists_of_tensors_and_outputs_in_a_dict():
    pair = list(data()[0][:2])
    report = gradcheck.check_layer(lambda xs: {"p": xs[0] * xs[1], "s": xs[0].sin()}, None, [pair])
    assert verdicts(report) == {"xs[0]": "ok", "xs[1]": "ok"}


def test_backpropagation_by_hand_in_tensors():
    inputs, targets = data()
    params = {"V": torch.randn(4, 3, dtype=torch.float64), "W": torch.randn(3, 2).double()}

    def loss(p):
        hidden = torch.tanh(inputs.mm(p["V"]))
        return ((hidden @ p["W"] - targets).pow(2)).mean()

    def grad(p):
        hidden = torch.tanh(inputs.mm(p["V"]))
        delta = 2 * (hidden @ p["W"] - targets) / targets.numel()
        below = delta.mm(p["W"].t()) * (1 - hidden)
        return {"V": inputs.t() @ below, "W": hidden.transpose(0, 1) @ delta}

    report = gradcheck.check(loss, params, grad)
    assert verdicts(report) == {"V": "wrong", "W": "ok"}
    assert report.findings[0].code == "GC305"
    assert "(1 - hidden)" in report.findings[0].location.source


def test_a_repair_of_a_backward(tmp_path, monkeypatch):
    (tmp_path / "curve.py").write_text(
        "import torch\n\n\n"
        "class Curve(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, x):\n"
        "        y = torch.tanh(x)\n"
        "        ctx.save_for_backward(y)\n"
        "        return y\n\n"
        "    @staticmethod\n"
        "    def backward(ctx, up):\n"
        "        (y,) = ctx.saved_tensors\n"
        "        return up * (1 - y)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from curve import Curve

    report = gradcheck.check_layer(
        Curve.apply, None, data()[0], repair=gradcheck.options.Edits(400)
    )
    assert any("1 - y**2" in patch.diff for patch in report.repair.patches)


def test_a_factor_that_a_backward_forgets(tmp_path, monkeypatch):
    path = tmp_path / "bends.py"
    path.write_text(
        """
import torch

class Bend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, beta):
        s = torch.sigmoid(beta * x)
        ctx.save_for_backward(x, s)
        ctx.beta = beta
        return x * s

    @staticmethod
    def backward(ctx, upstream):
        x, s = ctx.saved_tensors
        beta = ctx.beta
        return upstream * (s + x * s * (1 - s)), None

def bend(x):
    return Bend.apply(x, 1.7)
""",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from bends import bend

    start = torch.linspace(-1.5, 1.8, 9, dtype=torch.float64)
    report = gradcheck.check_layer(bend, None, start, repair=gradcheck.options.Edits(900))
    assert "+        return upstream * (s + beta * x" in report.repair.patches[0].diff


def test_a_complex_backward_of_torch_is_read_as_torch_reads_it():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(context, z):
            context.save_for_backward(z)
            return z * z

        @staticmethod
        def backward(context, upstream):
            (z,) = context.saved_tensors
            return upstream * 2 * z

    z = torch.complex(*torch.randn(2, 3, dtype=torch.float64))
    report = gradcheck.check_layer(Square.apply, None, z)
    assert report.verdict == "fail"  # it would be right in jax
    assert report.findings[0].location.source == "return upstream * 2 * z"
    assert gradcheck.check_layer(lambda z: z * z * z.conj(), None, z).ok


def test_what_is_written_into_zeros_of_torch_is_followed():
    def function(x):
        return torch.stack([x[0] * x[1], x[2].sin()])

    def jacobian(x):
        made = torch.zeros(2, 3, dtype=torch.float64)
        made[0, 0], made[0, 1] = x[1], x[0]
        made[1, 2] = -x[2].cos()
        return made

    [finding] = gradcheck.check_jacobian(function, torch.randn(3).double(), jacobian).findings
    assert finding.expression == "-x[2].cos()"


PLACES = torch.tensor([[0, 1, 2, 3, 1], [1, 2, 0, 3, 3]])


class SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(context, values, dense):
        context.save_for_backward(values, dense)
        return torch.sparse_coo_tensor(PLACES, values, (4, 4)) @ dense

    @staticmethod
    def backward(context, upstream):
        values, dense = context.saved_tensors
        matrix = torch.sparse_coo_tensor(PLACES, values, (4, 4))
        return (upstream[PLACES[0]] * dense[PLACES[1]]).sum(1), matrix @ upstream


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_what_is_searched_waits_for_no_thread_of_this_process():
    """Torch's threads have run here before; in a forked process they are not there."""
    torch.eye(4, dtype=torch.float64).to_sparse_csr() @ torch.ones(4, 2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(5, dtype=torch.float64, generator=generator)
    dense = torch.randn(4, 2, dtype=torch.float64, generator=generator)
    report = gradcheck.check_layer(SparseProduct.apply, None, (values, dense))
    [finding] = report.findings
    assert finding.fix == "write `matrix.T` for `matrix`"


def test_a_product_of_torch_is_given_tensors():
    def loss(x):
        return (x[0] * x[1]).sin() + x[2] ** 3

    at = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)

    def product(x, v):
        return torch.autograd.functional.hvp(loss, x, v)[1]

    assert gradcheck.check_hessian(loss, at, product).ok
    assert gradcheck.check_hessian(loss, at, lambda x, v: 1.01 * product(x, v)).verdict == "fail"


def swap(is_careful):
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.set_materialize_grads(False)
            return 2 * x, 3 * x

        @staticmethod
        def backward(context, first, second):
            if is_careful and first is None:
                return None if second is None else 3 * second
            if is_careful and second is None:
                return 2 * first
            return 2 * first + 3 * second

    return Both.apply


@pytest.mark.parametrize("is_careful", [True, False])
def test_a_backward_is_asked_for_each_output_alone(is_careful):
    x = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)
    report = gradcheck.check_layer(swap(is_careful), None, x)
    assert report.ok == is_careful
    if not is_careful:
        assert "output 0 alone, and None for the others" in report.findings[0].message


def test_whole_numbers_have_no_derivative():
    x = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)
    assert gradcheck.check_layer(lambda x: x.argmax(), None, x).ok
