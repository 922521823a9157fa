"""Many candidates in one code: each runs as if it had been written there alone."""

import pytest
from modules import module_at

from gradcheck.mending.context import Edit
from gradcheck.mending.pieces import definitions
from gradcheck.mending.source import Function
from gradcheck.mending.variants import Program

TEXT = b'''
FACTOR = 3


def outer(given):
    """Its result is a closure."""
    def inner(x):
        y = (x
             + given)
        if y > 2:
            y = y * 2; y += 1
        for step in (1, 2):
            y += step
        return y
    return inner


class Owner:
    def __init__(self):
        self.__hidden = 5

    def method(self, x):
        total = x + self.__hidden
        return total


double = lambda x: x * 2
'''


@pytest.fixture
def loaded(tmp_path):
    path = tmp_path / "made.py"
    path.write_bytes(TEXT)
    return module_at(path), str(path)


def program_of(path, **functions):
    import ast

    found = []
    for names, _ in definitions(ast.parse(TEXT)):
        if names[-1].strip("<>") in functions:
            function = functions[names[-1].strip("<>")]
            found.append(Function((function,), path, names, 0))
    return Program(found, {path: TEXT})


def edit(path, old, new):
    start = TEXT.index(old)
    return Edit(path, start, start + len(old), new, 1.0, TEXT[:start].count(b"\n") + 1, "")


def test_each_candidate_is_what_it_would_be_alone(loaded):
    module, path = loaded
    inner = module.outer(10)
    program = program_of(path, inner=inner)
    candidates = {
        (edit(path, b"+ given", b"- given"),): lambda x: x - 10 + 3,
        (edit(path, b"(1, 2)", b"(1, 2, 3)"),): lambda x: (x + 10) * 2 + 1 + 6,
        (edit(path, b"y > 2", b"y < 2"),): lambda x: x + 10 + 3,
        (edit(path, b"y * 2", b"y * 5"),): lambda x: (x + 10) * 5 + 1 + 3,
        (edit(path, b"+ given", b"+ 7"), edit(path, b"return y", b"return -y")): (
            lambda x: -((x + 7) * 2 + 1 + 3)
        ),
    }
    parts = program.variants(list(candidates))
    assert set(parts) == set(candidates)
    assert len({id(codes) for codes, _ in parts.values()}) == 1
    for candidate, right in candidates.items():
        with program.running(*parts[candidate]):
            assert inner(1) == right(1)
        with program.running(program.code_of(candidate)):
            assert inner(1) == right(1)
    program.restore()
    assert inner(1) == 26


def test_what_cannot_be_compiled_or_binds_a_name_does_not_spoil_the_others(loaded):
    module, path = loaded
    inner = module.outer(10)
    program = program_of(path, inner=inner)
    broken = (edit(path, b"+ given", b"+ )"),)
    binds = (edit(path, b"return y", b"given = 1"),)
    right = (edit(path, b"+ given", b"* given"),)
    parts = program.variants([broken, right, binds])
    assert right in parts
    assert broken not in parts
    with program.running(*parts[right]):
        assert inner(1) == 24


def test_a_name_with_two_underscores_is_still_its_class_s_own(loaded):
    module, path = loaded
    program = program_of(path, method=module.Owner.method)
    candidate = (edit(path, b"x + self", b"x - self"),)
    for codes, choice in (
        program.variants([candidate])[candidate],
        (program.code_of(candidate), frozenset()),
    ):
        with program.running(codes, choice):
            assert module.Owner().method(7) == 2


def test_a_lambda_has_variants_too(loaded):
    module, path = loaded
    program = program_of(path, **{"lambda": module.double})
    candidates = [(edit(path, b"x * 2", text),) for text in (b"x * 3", b"-x", b"x +")]
    parts = program.variants(candidates)
    results = []
    for candidate in candidates[:2]:
        with program.running(*parts[candidate]):
            results.append(module.double(4))
    assert results == [12, -4]
    assert candidates[2] not in parts


def test_the_lines_of_an_edited_function_are_those_of_its_file(loaded):
    module, path = loaded
    functions = {"inner": module.outer(10), "method": module.Owner.method, "lambda": module.double}
    program = program_of(path, **functions)
    edits = [edit(path, b"y > 2", b"y < 2"), edit(path, b"x + self", b"x - self")]
    for one in (*edits, edit(path, b"x * 2", b"x * 3")):
        ((function, code),) = program.code_of((one,))
        lines = {line for _, _, line in code.co_lines() if line is not None}
        assert lines >= {line for _, _, line in function.code.co_lines() if line} - {
            function.code.co_firstlineno
        }
        assert one.line in lines
