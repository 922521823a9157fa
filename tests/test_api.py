"""What a check does when it is called again."""

import numpy as np

import gradcheck


def test_a_file_that_is_rewritten_shows_the_lines_that_it_has_now(tmp_path):
    path, names = tmp_path / "slope.py", {}
    for text in (
        "def slope(w):\n    return 3 * w\n",
        "\n\ndef slope(w):\n    g = 55 * w\n    return g\n",
    ):
        path.write_text(text)
        exec(compile(text, str(path), "exec"), names)
        report = gradcheck.check(lambda w: float(w @ w), np.arange(1.0, 4.0), names["slope"])
    assert report.findings[0].location.line == 4
    assert "slope.py:4   g = 55 * w" in str(report)
