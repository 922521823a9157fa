"""The values that expressions have when a function runs."""

import ast

import numpy as np

from gradcheck.mending.scope import in_loops, observe

TWO_LOOPS = """
def pairs(a):
    for i in range(2):
        b = a[2 * i : 2 * i + 2]
    for i in range(9):
        b = b + i
"""


def test_an_item_at_a_count_has_the_value_of_its_own_loop():
    scope = {}
    exec(compile(TWO_LOOPS, __file__, "exec"), scope)
    code = scope["pairs"].__code__
    lines = {code: in_loops(ast.parse(TWO_LOOPS))}
    values = observe({code: []}, lambda: scope["pairs"](np.ones(4)), lines)
    assert values[code]["a[2 * i:2 * i + 2]"].shape == (2,)
