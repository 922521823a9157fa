"""Differentiate the loss: its values, their adjoints and slopes, at several points.

Both functions are traced at several points (`points`). Reverse mode on the loss's tape (`reverse`,
by the tables of `operations`, `products` and `reductions`, otherwise by `differences`) gives the
adjoint of every value. Values, adjoints and local derivatives are the known quantities
(`quantities`, and over loops `series`). `of_the_loss` finds the guards of a loss.
"""
