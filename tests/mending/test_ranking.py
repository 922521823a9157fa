"""Which of several patches, all of which make the gradient right, is shown first."""

import pytest

from gradcheck.finding import Finding
from gradcheck.mending.candidate import Mended
from gradcheck.mending.context import Edit
from gradcheck.mending.ranking import ranked

BEFORE = {"own.py": b"ends = 2\nforce = turn\n"}


def patch(text, weight):
    edit = Edit("own.py", 17, 21, text.encode(), weight, 2, text)
    return Mended((edit,), {"own.py": f"ends = 2\nforce = {text}\n".encode()}, 1e-9)


@pytest.mark.parametrize(
    ("code", "first"), [("GC103", "turn * 2"), ("GC105", "turn * ends"), ("GC413", "turn * ends")]
)
def test_a_missing_two_is_no_name_that_happens_to_be_2(code, first):
    finding = Finding(code, "", (), "", (), "")
    found = ranked([patch("turn * ends", 1.0), patch("turn * 2", 9.0)], BEFORE, [finding])
    assert found[0].edits[0].words == first


def test_half_comes_before_the_size_of_what_is_made_on_the_way():
    before = "def back(x):\n    turn = x @ x\n    return {}\n"
    found = ranked(
        [
            Mended(
                (Edit("own.py", 42, 46, text.encode(), 9.0, 3, text),),
                {"own.py": before.format(text).encode()},
                1e-9,
            )
            for text in ("turn / turn.shape[1]", "turn / 2")
        ],
        {"own.py": before.format("turn").encode()},
        [],
    )
    assert found[0].edits[0].words == "turn / 2"
