"""How much of a sweep is tried: a fixed sample, or all of it where GRADCHECK_TEST_ALL is set.

`make test` tries the samples and `make test-all` everything, through the same tests. A sample is
the same in every run and in every process. So are the instances of a test that searches.
"""

import os
from collections import defaultdict
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


SEARCHING = (
    *("script/", "mending/", "trace/", "diagnose/"),
    *("test_jacobians", "test_hessians", "test_matrix_lines", "test_steps"),
)
"""Where a test is a search for a fault, as a rule, and takes a second rather than a hundredth."""

MANY, EVERY = 3, 5


def of_whole_run(items: Sequence) -> tuple[list, list]:
    """The tests of a run of the whole suite, and those that `make test-all` tries as well."""
    instances = defaultdict(list)
    for item in items:
        instances[item.nodeid.partition("[")[0]].append(item)
    left = set()
    for name, own in instances.items():
        is_sample = "planted" in name  # of every kind of network or style
        searches = not is_sample and any(f"/{one}" in name for one in SEARCHING)
        if searches and len(own) >= MANY:
            left.update(one for at, one in enumerate(own) if at % EVERY)
        left.update(one for one in own if one.get_closest_marker("in_full"))
    return [one for one in items if one not in left], [one for one in items if one in left]


def without_slow(sweep: Sequence, slow: str) -> list:
    """All of a sweep, but for what has this in its name, which is tried with everything."""
    return [one for one in sweep if ALL or slow not in str(one)]
