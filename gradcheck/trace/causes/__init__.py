"""Explain why a value is wrong, by comparing it with the right one.

`compared` holds the two and the quantities of the loss around them, and `asking` tries each kind of
cause in turn. `at_hand` says what to write instead, in the user's names, and `written` what that
tells of the cause; `constant_factors` says which constant to drop. Where none of this explains
the value, `redone` does single operations before it otherwise. `kinds` describes how the two are
related if no cause is known.
"""
