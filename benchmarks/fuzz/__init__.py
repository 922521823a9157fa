"""A fuzz of the verdict: families of functions with exact gradients, right and wrong ones."""

"""A fuzz of the verdict: families of functions with exact gradients, right and wrong ones."""
