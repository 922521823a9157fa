"""The commands of the command line, one per file; imports are delayed until a command runs."""
