"""The user's own text: what stands at a place, around it, and is in reach of it.

Values are called what the user calls them (`words`, `operand_text`), as far as names are in scope
(`scope`); loops (`loops`), parts of what is returned or laid out (`parts`) and operands that do not
fit (`misfits`) are read from the source.
"""
