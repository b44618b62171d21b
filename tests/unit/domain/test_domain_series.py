"""Conditions taken apart: what can be drawn as a line with a limit, and what cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.domain.series import Condition, take_apart


@pytest.mark.parametrize(
    ("text", "query", "operator", "limit"),
    [
        ("up == 1", "up", "==", 1),
        ('sum(rate(x{status=~"5.."}[30s])) < 1', 'sum(rate(x{status=~"5.."}[30s]))', "<", 1),
        ("a / b > 0.9", "a / b", ">", 0.9),
        ("x >= bool 3", "x", ">=", 3),
        ("x > -1.5e3", "x", ">", -1500),
        ('x{a="b>c"} != 2', 'x{a="b>c"}', "!=", 2),
    ],
)
def test_comparison_with_a_number_is_a_line_and_its_limit(text, query, operator, limit):
    assert take_apart(text) == Condition(query, operator, limit)


@pytest.mark.parametrize(
    "text",
    [
        "up",
        "a > b",
        "1 < x",
        "x > 1 and y < 2",
        "x > 1 or vector(0)",
        "x < 1 unless up == 0",
        "sum(x > 1)",
        'x{a="1 < 2"}',
        "x > 1 > 2",
        "",
    ],
)
def test_anything_else_is_drawn_as_it_is(text):
    assert take_apart(text) == Condition(text)


@given(st.text(max_size=60))
def test_no_text_breaks_it(text):
    found = take_apart(text)
    assert found.query in text
    assert (found.limit is None) == (found.operator == "")
