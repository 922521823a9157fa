"""What was executed: the user's functions, followed as they run.

A run (`calling`) makes everything traced that the functions reach (`reach`), puts stand-ins for
numpy, math and float into the user's modules (`proxies`, `floats`), and leaves all as it was found.
Traced arrays (`array`) do every operation on the user's own memory and note it (`recording`,
`writing`, `storage`) on a tape (`nodes`; `graph`), with its place and its callers (`places`,
`assignments`).
Tensors of torch and arrays of jax are traced arrays too (`tensors`); what the two libraries do is
done by numpy's functions where it has them, as some of scipy's are (`library_functions`); a sparse
matrix is a dense one (`sparse`).
"""
