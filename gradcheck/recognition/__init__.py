"""Which network the user's loss computes: found by its loss alone, on their blocks and data."""
