"""Which of several patches, all of which make the gradient right, is shown first."""

from dataclasses import replace

import pytest

from gradcheck.finding import Finding
from gradcheck.mending.candidate import Mended
from gradcheck.mending.context import Edit
from gradcheck.mending.ranking import ranked
from gradcheck.user.calls import Location

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


def test_a_name_that_is_right_with_other_sizes_may_be_meant():
    finding = Finding("GC103", "", (), "", (), "")
    held = replace(patch("turn * ends", 1.0), varied=("other x", "other sizes"))
    found = ranked([held, patch("turn * 2", 9.0)], BEFORE, [finding])
    assert found[0].edits[0].words == "turn * ends"


def programs(form, *edited):
    """Return patches that put texts in the place of others in a program, and the program."""
    before = {"own.py": form.encode()}
    made = []
    for weight, old, new in edited:
        at, line = form.index(old), form[: form.index(old)].count("\n") + 1
        edit = Edit("own.py", at, at + len(old), new.encode(), weight, line, new)
        made.append(Mended((edit,), {"own.py": form.replace(old, new).encode()}, 1e-9))
    return made, before


def test_half_comes_before_the_size_of_what_is_made_on_the_way():
    form = "def back(x):\n    turn = x @ x\n    return 3 * turn\n"
    made, before = programs(
        form, (9.0, "3 * turn", "turn / turn.shape[1]"), (9.0, "3 * turn", "turn / 2")
    )
    assert ranked(made, before, [])[0].edits[0].words == "turn / 2"


@pytest.mark.parametrize(
    ("form", "old", "worse", "better"),
    [
        ("turn = a @ b\n", "a @ b", "a @ b * 4", "a @ b * np.sqrt(len(a))"),
        ("h = relu(z)\nturn = up * (z > 0)\n", "z > 0", "h / z", "np.where(z > 0, 1, leak)"),
        ("z = x @ w\nh = relu(z)\nturn = z > 0\n", "z > 0", "h / (x @ w)", "np.where(z > 0, 1, s)"),
    ],
)
def test_numbers_and_slopes_by_chance_come_later(form, old, worse, better):
    made, before = programs(form, (0.3, old, worse), (9.0, old, better))
    assert ranked(made, before, [])[0].edits[0].words == better


def test_what_is_made_and_read_nowhere_is_meant():
    form = "d = up @ x\nturn = up\n"
    made, before = programs(form, (1.0, "= up\n", "= up + x\n"), (8.0, "= up\n", "= up + d\n"))
    assert ranked(made, before, [])[0].edits[0].words == "= up + d\n"


def test_what_the_next_line_makes_anew_is_mended_where_it_was_made():
    form = "def back(p, d):\n    s = p * (1 - p) * d\n    s = s * on\n    return s\n"
    whole = "p * (d - np.sum(d * p))"
    made, before = programs(form, (0.3, "s * on", whole), (0.3, "p * (1 - p) * d", whole))
    finding = Finding("GC309", "", (), "", (), "", location=Location("own.py", 3))
    assert ranked(made, before, [finding])[0].edits[0].line == 2


def test_what_is_made_wrong_is_mended_and_not_gone_round():
    form = "def back(x):\n    all = (x * x).sum()\n    return x * all\n"
    made, before = programs(form, (1.0, "x * all", "x * (x * x).mean()"), (7.0, ".sum", ".mean"))
    finding = Finding("GC105", "", (), "", (), "", location=Location("own.py", 3))
    assert ranked(made, before, [finding])[0].edits[0].words == ".mean"
