"""Finite differences: the numeric gradient, with an error bound for every entry."""
