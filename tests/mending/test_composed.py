"""An expression with a value that is wanted, from values that are known; and edits that add up."""

import numpy as np
import pytest

from gradcheck.mending.composed import Composer
from gradcheck.mending.context import Edit
from gradcheck.mending.known_numbers import escaped
from gradcheck.mending.roundabout import is_roundabout
from gradcheck.mending.together import adding_up

DRAWN = np.random.default_rng(8)
ROWS = {name: DRAWN.normal(size=9) for name in ("up", "slope", "mask", "n + k")}
FACTORS = {1.0: "{}", -1.0: "-{}", 2.0: "2 * {}", 0.2: "{} / m", 0.4: "2 * {} / m"}

WANTED = {
    "up": ROWS["up"],
    "-mask": -ROWS["mask"],
    "(n + k) / m": ROWS["n + k"] / 5,
    "up * slope": ROWS["up"] * ROWS["slope"],
    "up / slope": ROWS["up"] / ROWS["slope"],
    "mask - up": ROWS["mask"] - ROWS["up"],
    "2 * (up - mask) / m": 0.4 * (ROWS["up"] - ROWS["mask"]),
    "up + 2 * mask / m": ROWS["up"] + 0.4 * ROWS["mask"],
    "up * mask * slope": ROWS["up"] * ROWS["slope"] * ROWS["mask"],
    "(up - slope) * mask": (ROWS["up"] - ROWS["slope"]) * ROWS["mask"],
}


@pytest.mark.parametrize("text", WANTED)
def test_what_has_the_value_is_found(text):
    of_two, of_three = (
        Composer(ROWS, FACTORS).having(WANTED[text], more) for more in (False, True)
    )
    found = of_two or of_three
    assert text in found
    names = {name: value for name, value in ROWS.items() if name.isidentifier()}
    for one in found:
        value = eval(one.replace("n + k", "nk"), {**names, "nk": ROWS["n + k"], "m": 5})
        factor = value @ WANTED[text] / (value @ value)
        np.testing.assert_allclose(factor * value, WANTED[text], rtol=1e-7)


def test_what_a_sum_lacks_may_have_three_factors():
    projection = {"np.sum(up * mask)": np.repeat([0.4, 1.3, -0.7], 3)}
    composer = Composer(ROWS, FACTORS, projections=projection)
    term = ROWS["mask"] * projection["np.sum(up * mask)"] / ROWS["slope"]
    (found,) = composer.having(ROWS["up"] - term, of_three=True, own="up")
    assert found == "up - mask * np.sum(up * mask) / slope"


def test_a_factor_is_no_term_of_what_stands_there():
    rows = {"up": ROWS["up"], "h": DRAWN.normal(size=9), "h**2": ROWS["mask"]}
    found = Composer(rows, FACTORS).having(rows["up"] - rows["up"] * rows["h**2"], own="up")
    assert not found


def test_braces_in_the_text_of_a_factor_are_its_own():
    factors = {1.0: "{}", 0.7: escaped('r[f"{n}"]') + " * {}"}
    assert Composer(ROWS, factors).having(0.7 * ROWS["up"])[0] == 'r[f"{n}"] * up'


def test_a_factor_that_nobody_knows_is_left_out():
    assert Composer(ROWS, FACTORS).having(0.7 * ROWS["up"]) == ["up"]
    assert Composer({"n": np.array([2.0])}, FACTORS).having(np.array([1.4])) == []
    assert Composer(ROWS, FACTORS).having(np.zeros(9)) == []


@pytest.mark.parametrize(
    "text",
    [
        "0.5 * a * 2",
        "2 * a / 2",
        "up**2 / up",
        "(n / n**2).T",
        "sign(n) * sign(n)",
        "1 - n - (1 - m)",
        "np.abs(n) / n",
        "2 * n + n",
        "-(-n)",
        "n**2 + n * (1 - n)",
        "n.T.T",
    ],
)
def test_what_takes_itself_back_is_not_offered(text):
    assert is_roundabout(text)


@pytest.mark.parametrize(
    "text", ["4 / 3 * a", "up * h * (1 - h)", "2 * (up - mask) / m", "up * up", "1 - h**2"]
)
def test_what_people_write_is_offered(text):
    assert not is_roundabout(text)


def edit(number):
    return Edit("net.py", 10 * number, 10 * number + 5, b"", float(number), number, "")


def test_changes_that_add_up_to_what_is_missing_are_pairs():
    changes = [(edit(number), DRAWN.normal(size=6)) for number in range(40)]
    missing = changes[7][1] + changes[31][1]
    assert adding_up(changes, missing) == [(changes[7][0], changes[31][0])]
    assert adding_up(changes, np.zeros(6)) == []
    same_place = [(edit(3), changes[7][1]), (edit(3), changes[31][1])]
    assert adding_up(same_place, missing) == []
