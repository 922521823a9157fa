"""The analytic gradient against the numeric one: gates first, then a verdict per entry."""
