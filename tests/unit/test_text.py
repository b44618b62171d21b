"""Foreign text shown to people."""

import pytest

from sre_daemon.text import line, visible


@pytest.mark.parametrize("text", ["", "plain", "Grüße, 世界 🙂", "two\nlines\tand a tab"])
def test_ordinary_text_stays_as_it_is(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\0b", "a\\u0000b"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("a\rb", "a\\u000db"),
        ("exe\u202egnp", "exe\\u202egnp"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("blank\u3164", "blank\\u3164"),
        ("half\ud800", "half\\ud800"),
        ("line\u2028end", "line\\u2028end"),
        ("private\ue000", "private\\ue000"),
    ],
)
def test_what_cannot_be_seen_becomes_its_code(text, shown):
    assert visible(text) == shown
    assert visible(visible(text)) == shown


def test_one_line_is_cut_and_has_no_breaks():
    assert line("a\n b\t c", 10) == "a b c"
    assert line("x" * 20, 10) == "x" * 9 + "…"
