"""Read the user's source, so that messages use the user's own names and expressions.

`words` and `operand_text` name values, `scope` lists the names that a function has at a place, and
`loops`, `parts` and `misfits` read loops, the parts of a returned or assembled value, and operands
that do not fit.
"""
