"""The user's code and structures: how they are called, read, changed and put back."""
