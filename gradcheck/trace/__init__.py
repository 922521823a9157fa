"""Following the user's own computation."""
