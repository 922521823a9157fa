"""Locate the first wrong value of a gradient.

On the gradient's tape (`state`), whose wrong outputs are known (`outputs`, `view`), `search` goes
over the `units` for the earliest value that, replaced by a known quantity (`candidates`), makes
wrong outputs right at all points and no right one wrong (`trial`). `preferences` choose among
several, and `made_of` asks whether an operand is to blame instead. The result is a `Mend`. Random
projections rule out most replacements (`projections`, where `linearity` allows it); the others are
executed, many at once first (`batches`). An implausible constant (`constants`) explains nothing.
"""
