import pytest
from sweeps import without_slow

from gradcheck.casefiles import find_cases

ENTRIES = {entry.name: entry for entry in find_cases([])}


@pytest.mark.parametrize("name", without_slow(ENTRIES, "overfit_pixels:derivative"))
def test_every_bundled_case_comes_out_as_its_author_expects(name):
    case, expectation = ENTRIES[name].build()
    report = case.check()
    assert not list(expectation.differences(report)), str(report)


@pytest.mark.parametrize("name", ENTRIES)
def test_every_bundled_case_says_what_it_is(name):
    entry = ENTRIES[name]
    assert entry.summary
    assert entry.network
    assert entry.source


def test_the_five_networks_are_there():
    files = {name.partition(":")[0] for name in ENTRIES}
    assert files >= {
        "dense_article",
        "digits_classifier",
        "overfit_pixels",
        "relu_regression",
        "xor",
    }


def test_a_case_that_comes_out_otherwise_is_told_apart():
    case, _ = ENTRIES["xor:published"].build()
    _, expectation = ENTRIES["xor:fixed"].build()
    assert list(expectation.differences(case.check())) == ["expected pass, came out as fail"]
