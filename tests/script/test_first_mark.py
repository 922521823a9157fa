"""Where an iteration may end once its loss is known."""

from dataclasses import replace

import numpy as np
import pytest

from gradcheck.script.marks import ASSIGNED, RETURNED, Seen, Site
from gradcheck.script.point import Loss, first_mark

INSIDE = Loss(3, 1, Site(RETURNED, "cost()", 4, "cost"), np.ones(2), order=0)
TOTAL = Loss(7, 1, Site(ASSIGNED, "total", 9, "+="), np.ones(2), order=1)


def _seen(terms, totals):
    pairs = zip(terms, totals, strict=True)
    return [Seen({3: list(term), 7: [total]}) for term, total in pairs]


def test_a_total_is_known_where_its_last_term_is():
    passes = _seen([[0.1], [0.25], [0.7]], [3.1, 3.25, 3.7])
    assert first_mark(TOTAL, [INSIDE, TOTAL], passes) == 3
    asked = replace(TOTAL, asked=3)
    assert asked.wanted == (3, 1)
    assert asked.value(Seen({3: [0.1]})) == 0.1
    assert first_mark(INSIDE, [INSIDE, TOTAL], passes) is None


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ([[0.1], [0.25], [0.7 + 1e-9]], "the total has another term, if a small one"),
        ([[0.1], [0.25], [0.2, 0.7]], "it sees several values, of which a search takes one"),
        ([[0.1], [0.25], []], "it does not see it in every pass"),
    ],
)
def test_a_loss_is_asked_at_its_own_mark_where_another_one_may_differ(terms, why):
    assert first_mark(TOTAL, [INSIDE, TOTAL], _seen(terms, [3.1, 3.25, 3.7])) is None, why


def test_a_total_so_large_that_a_small_term_is_rounded_away_is_asked_at_its_own_mark():
    terms = np.array([0.1, 0.1 + 1e-7, 0.1 - 1e-7])
    for before, number in ((3.0, 3), (3e6, None), (0.0, 3)):
        passes = _seen(terms[:, None], before + terms)
        assert first_mark(TOTAL, [INSIDE, TOTAL], passes) == number, before


def test_what_is_called_several_times_in_a_pass_is_no_single_value():
    inside = replace(INSIDE, count=2)
    passes = _seen([[9.0, 0.1], [9.0, 0.25], [9.0, 0.7]], [0.1, 0.25, 0.7])
    assert first_mark(TOTAL, [inside, TOTAL], passes) is None
