"""The map of requirements: every row is shown or open, and every test that it names runs."""

import ast
from functools import cache
from pathlib import Path

from tests.acceptance.requirements import LAST, OPEN, ROWS

TESTS = Path(__file__).parents[1]
NEVER_RUN = {"skip", "skipif", "xfail"}


@cache
def functions(path):
    """The module's tests as pytest collects them, with the names of their decorators."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {
        node.name: {
            part.attr
            for decorator in node.decorator_list
            for part in ast.walk(decorator)
            if isinstance(part, ast.Attribute)
        }
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def named():
    return [(number, test) for number, row in ROWS.items() for test in row.shown_by]


def test_every_row_is_shown_or_open_and_none_is_unknown():
    assert set(ROWS) | set(OPEN) == set(range(1, LAST + 1))
    assert not set(ROWS) & set(OPEN)


def test_every_row_has_a_sentence_and_a_test():
    for number, row in ROWS.items():
        assert row.says.endswith("."), number
        assert row.shown_by, number
        assert len(set(row.shown_by)) == len(row.shown_by), number


def test_every_named_test_exists_and_runs():
    for number, test in named():
        path, _, name = test.partition("::")
        assert Path(path).name.startswith("test_"), f"row {number}: pytest does not collect {path}"
        assert (TESTS / path).is_file(), f"row {number}: there is no {path}"
        assert name in functions(path), f"row {number}: {path} has no {name}"
        assert not functions(path)[name] & NEVER_RUN, f"row {number}: {name} may be skipped"


def test_rows_stand_in_order():
    assert list(ROWS) == sorted(ROWS)
    assert list(OPEN) == sorted(OPEN)
