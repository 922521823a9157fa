"""The user's code and data structures: calls, reading of parameters, changes and restoring."""
