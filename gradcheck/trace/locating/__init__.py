"""Which value of the gradient is the first wrong one.

On the gradient's tape (`state`), whose wrong parts are known (`outputs`, `view`), the earliest
value is looked for (`search`, over the `units`) that, replaced by a known quantity (`candidates`),
makes wrong parts right at all points and spoils no right one (`trial`; of several, `preferences`
choose); what it is made of may be to blame (`made_of`). The result is a mend (`units`). Most
replacements are dismissed by random projections (`projections`, where `linearity` allows it), the
others are executed, first many at once (`batches`). A constant that nobody can have meant
(`constants`) explains nothing.
"""
