"""Trace the user's functions: record every operation on arrays while they run.

A run (`calling`) replaces by traced arrays all arrays that the functions can reach (`reach`), and
numpy, math and float in the user's modules by proxies (`proxies`, `floats`); afterwards everything
is restored. Traced arrays (`array`) carry out each operation on the user's own memory, and record
it (`recording`, `writing`, `storage`) on a tape (`nodes`; `graph`), with its place and its callers
(`places`, `assignments`). Tensors of torch and arrays of jax are traced arrays too (`tensors`):
their functions, and some of scipy's, are expressed in numpy's where possible (`library_functions`).
A sparse matrix is traced as a dense one (`sparse`).
"""
