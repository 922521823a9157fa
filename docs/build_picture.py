"""Writes docs/network.svg, the README's picture: drawn by a real report in its page's style."""

import re
from pathlib import Path

import numpy as np

import gradcheck

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" class="wide"'

RULES = r"^(?::root \{.*?^\}|@media \(prefers-color.*?^\}|(?:svg|\.(?:unit|edges|middle))[^\n]*\})"
"""Colours, and the rules of what stands in the picture."""


def picture() -> str:
    """The network of a report whose hidden layer lacks the slope of its tanh."""
    net = gradcheck.MLP((4, 5, 3), ("tanh", "softmax"), "categorical_cross_entropy")
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(7, 4)), np.eye(3)[rng.integers(0, 3, 7)]

    def grad(params):
        gradients = net.backward(params, inputs, targets)
        delta = (net.forward(params, inputs) - targets) / len(inputs) @ params["W2"].T
        return {**gradients, "W1": inputs.T @ delta, "b1": delta.sum(axis=0)}

    report = gradcheck.check(
        lambda params: net.loss(params, inputs, targets),
        net.init(0),
        grad,
        inputs=inputs,
        targets=targets,
    )
    page = report.to_html()
    svg = re.search(r'<svg class="wide"(.*?</svg>)', page, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    rules = "\n".join(re.findall(RULES, style[1], re.DOTALL | re.MULTILINE))
    return HEAD + svg[1].replace(">", f">\n<style>\n{rules}\n</style>", 1)


if __name__ == "__main__":
    Path(__file__).with_name("network.svg").write_text(picture() + "\n", encoding="utf-8")
