"""From wrong blocks to causes: rules that are proved by the numbers."""
