"""What is done for many replacements at once is what is done for each of them."""

import numpy as np

from benchmarks.edits import edit as edits
from gradcheck.trace import subject_of_problem
from gradcheck.trace.adjoints.points import follow
from gradcheck.trace.adjoints.reverse import adjoints
from gradcheck.trace.locating.batches import run_each
from gradcheck.trace.locating.outputs import outputs_of
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.user.problem import Problem
from gradcheck.user.structures import flatten


def state_of(net, folder):
    module = edits.module_of((edits.NETS / f"{net}.py").read_text(), folder / f"{net}.py")
    return state_of_functions(module.params(), module.loss, module.grad)


def state_of_functions(params, loss, grad):
    params = flatten(params)
    subject = subject_of_problem(Problem(params, loss, grad))
    point = follow(subject, list(params.values))
    values = [node.value for node in point.nodes]
    return State((point.nodes,), (values,), outputs_of([point], 1e-6), point.start)


def inner_values(state):
    inner = [node for node in state.tape if not node.is_leaf and node.is_float and node.operands]
    return inner[:: max(1, len(inner) // 6)]


def product_of(p):
    return 0.5 * (p["u"] @ p["A"] @ p["v"]) ** 2 + np.sum((p["A"] @ p["B"]).T)


def gradient_of_product(p):
    u, A, v, B = p["u"], p["A"], p["v"], p["B"]
    gap, one = (u @ A) @ v, np.ones((2, 3))
    return {
        "u": gap * (A @ v),
        "A": np.outer(u, v) * (u @ (A @ v)) + one.T @ B.T,
        "v": (u @ A) * gap,
        "B": A.T @ one.T,
    }


def test_replacements_of_a_value_and_of_a_use(tmp_path):
    rng = np.random.default_rng(0)
    params = {"u": rng.normal(size=3), "A": rng.normal(size=(3, 4)), "v": rng.normal(size=4)}
    params["B"] = rng.normal(size=(4, 2))
    products = state_of_functions(params, product_of, gradient_of_product)
    nets = [state_of(net, tmp_path) for net in ("conv_loops", "rnn", "attention")]
    for state, tried in ((products, products.tape), *((net, inner_values(net)) for net in nets)):
        for node in (one for one in tried if one.is_float):
            stack = rng.normal(size=(3, *node.value.shape))
            below = state.below([node.index])
            uses = [(user, node.index) for user in below if node.index in state.tape[user].operands]
            for nodes, by_use in (({node.index: stack}, {}), ({}, dict.fromkeys(uses[:1], stack))):
                order = state.below([*nodes, *(user for user, _ in by_use)])
                together = run_each(state, nodes, by_use, order)
                for number in range(3):
                    replacement = Replacement(
                        {index: values[number] for index, values in nodes.items()},
                        {use: values[number] for use, values in by_use.items()},
                    )
                    alone = state.run(0, replacement, order)
                    for index, values in together.items():
                        np.testing.assert_allclose(values[number], alone[index], rtol=1e-12)


def test_adjoints_of_several_numbers(tmp_path):
    rng = np.random.default_rng(1)
    for net in ("conv_loops", "lstm", "attention", "batch_norm", "logistic_regression"):
        state = state_of(net, tmp_path)
        ends = [output.node for output in state.outputs]
        seeds = {end: rng.normal(size=(2, *state.tape[end].value.shape)) for end in ends}
        together = adjoints(state.tape, state.values[0], seeds, several=True)
        for number in range(2):
            own = {end: seed[number] for end, seed in seeds.items()}
            alone = adjoints(state.tape, state.values[0], own)
            assert alone.of_nodes.keys() == together.of_nodes.keys()
            for index, value in alone.of_nodes.items():
                np.testing.assert_allclose(
                    together.of_nodes[index][number], value, rtol=1e-9, atol=1e-12
                )
