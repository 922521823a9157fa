"""The report: a frozen model, and its renderers, which compute nothing."""
