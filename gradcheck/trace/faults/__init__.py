"""From a mend to what is said: a `Fault` for each bug.

What to say (`next_fault`, `describe`) is read from the place to blame (`blame`, `scales`) and its
cause. Faults that no replacement shows are looked for by themselves (`special`, `passes`,
`raising`), and so is a loss that may be what is wrong: the gradient is exactly that of the loss
with one operation changed (`doubts`, from `variants`, made by `changes`). What each line of the
gradient made is in `backward`.
"""
