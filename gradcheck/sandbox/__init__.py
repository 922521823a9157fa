"""Where code is run that may change nothing outside: a script, and the edits of a repair."""
