"""Make a `Fault` for each bug.

`next_fault` and `describe` describe a mend by its place (`blame`, `scales`) and its cause. Faults
that no replacement shows have their own searches (`special`, `passes`, `raising`). The loss may be
wrong instead if the gradient is exactly that of the loss with one operation changed (`doubts`, by
the `variants` that `changes` make). `backward` lists the value of each line of the gradient.
"""
