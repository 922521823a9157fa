"""`make bench`."""

from tabulate import tabulate

from benchmarks.exhaustive import rows

print(tabulate(rows(), ("every entry", "bare loop", "check", "check / loop"), tablefmt="plain"))
