"""The report: a frozen model, and its renderers, which only present it."""
