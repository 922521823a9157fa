"""Name the causes of wrong gradients, by rules that the numeric gradient proves."""
