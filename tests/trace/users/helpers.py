# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Helpers of the computations, with numpy under another name."""

import numpy as N

OFFSET = N.array([0.5, -0.25, 0.125, 1.0])


def squash(value, offset):
    kept = N.zeros_like(value)
    kept[...] = value + offset
    return kept / (1 + N.abs(kept))


class Table:
    rows = {"wide": lambda y: N.outer(N.ones(3), y) * OFFSET}  # noqa: RUF012  # as users write it
