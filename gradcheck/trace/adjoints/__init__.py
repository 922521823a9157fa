"""What is known of the loss: its values, their adjoints and slopes, at several points.

Both functions are followed at several points (`points`). Reverse mode on the loss's tape
(`reverse`, by the tables of `operations`, `products` and `reductions`, else by `differences`) gives
the adjoint of every value; with the values themselves and local derivatives these are what is known
(`quantities`, and over loops `series`). What a loss tells by itself is in `of_the_loss`.
"""
