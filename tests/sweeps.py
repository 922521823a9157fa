"""How much of a sweep is tried: a fixed sample, or all of it where GRADCHECK_TEST_ALL is set.

`make test` tries the samples and `make test-all` everything, through the same tests. A sample is
the same in every run and in every process.
"""

import os
from collections.abc import Sequence

ALL = bool(os.environ.get("GRADCHECK_TEST_ALL"))


def sample(sweep: Sequence, every: int, first: int = 0) -> list:
    """All of a sweep, or each so many of its items, from one that is counted round.

    Of a product of two sweeps, `every` needs to have no divisor in common with the length of the
    inner one, so that all its items come up.
    """
    if ALL or not sweep:
        return list(sweep)
    return list(sweep[first % min(every, len(sweep)) :: every])


def without_slow(sweep: Sequence, slow: str) -> list:
    """All of a sweep, but for what has this in its name, which is tried with everything."""
    return [one for one in sweep if ALL or slow not in str(one)]
