"""Logs: levels, templates, and bounds on hostile lines."""

import time

from mcp_tools.redaction import hide
from mcp_tools.spec import clean, fit
from mcp_tools.tools.digest import (
    Severity,
    last,
    leveled,
    moment,
    severity,
    template,
    templates,
    tidy,
    within,
)


def test_levels_of_common_formats_are_known():
    lines = {
        "2026-01-01 10:00:00,1 ERROR pool: exhausted": Severity.ERROR,
        "2026-01-01 10:00:00.1 UTC [1] FATAL:  too many connections": Severity.ERROR,
        '{"level": "error", "msg": "x"}': Severity.ERROR,
        "level=warning msg=slow": Severity.WARN,
        "WARNING:root:slow": Severity.WARN,
        "2026-01-01 [info] started": Severity.INFO,
        "INFO: last error was: none": Severity.INFO,
        "2026-01-01 UTC [1] LOG:  started": Severity.INFO,
        "level=debug error=x": Severity.OTHER,
        "Traceback (most recent call last):": Severity.ERROR,
        "sqlalchemy.exc.TimeoutError: QueuePool limit": Severity.ERROR,
        "GET /errors 200": Severity.OTHER,
        "": Severity.OTHER,
    }
    assert {line: severity(line) for line in lines} == lines


def test_indented_lines_belong_to_the_line_before():
    rows = leveled(["ERROR x", "  File a", "INFO y", "  more"])
    assert [level.value for level, _ in rows] == ["error", "error", "info", "info"]


def test_lines_that_differ_in_numbers_have_one_template():
    lines = [
        f"2026-01-01T10:00:{n:02} ERROR pool of size 1 exhausted after {n}.5 ms" for n in range(50)
    ]
    assert [count for _, count in templates(lines, 5)] == [50]
    assert template("id 6f1c0b9e-1111-2222-3333-444455556666 at 0xdeadbeef") == "id <*> at <*>"


def test_lines_with_different_secrets_have_one_template():
    assert template("login password=hunter2 ok") == "login password=*** ok"
    assert len(templates(["password=a1 x", "password=b2 x"], 5)) == 1


def test_last_lines_respect_count_and_budget():
    lines = [f"line {n}" for n in range(1000)]
    assert last(lines, 3, 10_000) == ["line 997", "line 998", "line 999"]
    kept = last(["x" * 5000] * 100, 100, 2000)
    assert sum(map(len, kept)) < 2500


def test_times_of_common_formats_are_read():
    noon = 1767268800.0
    for line in (
        "2026-01-01T12:00:00Z ERROR x",
        "2026-01-01 12:00:00,500 ERROR x",
        "2026-01-01 12:00:00.123456789 UTC [1] LOG: x",
        "[2026-01-01T14:00:00+02:00] x",
        "2026-01-01T10:00:00-0200 x",
        'ts=2026-01-01T12:00:00.000Z level=info msg="x"',
    ):
        assert int(moment(line)) == noon, line
    for line in ("no time", "2026-13-01T12:00:00Z", "12026-01-01T12:00:00", "2026-01-01", ""):
        assert moment(line) is None, line


def test_lines_without_a_time_belong_to_the_one_before():
    rows = leveled(["2026-01-01T12:00:00Z a", "b", "2026-01-01T12:00:09Z c", "d"])
    kept, stamped = within(rows, 1767268805, 1767268900)
    assert [line for _, line in kept] == ["2026-01-01T12:00:09Z c", "d"]
    assert stamped
    assert within(leveled(["x", "y"]), 0, 1) == (leveled(["x", "y"]), False)


def test_hostile_characters_become_visible():
    assert clean("a\x00b\x1b[31mred\x1b[0m\u202etxt\u200b") == "a<U+0000>bred<U+202E>txt<U+200B>"
    assert clean("tab\tand\nline\r\n") == "tab\tand\nline\n"
    assert clean("\U000e0041\ud800") == "<U+E0041><U+D800>"
    assert clean("grüße 你好 👍") == "grüße 你好 👍"


def test_hostile_lines_cost_little_time():
    started = time.perf_counter()
    for line in (
        "a" * 200_000,
        "password" * 25_000,
        "1:" * 100_000,
        "\x1b[" * 100_000,
        "http://" * 30_000,
    ):
        tidy(line)
        template(line)
        severity(line)
        hide(line)
    assert time.perf_counter() - started < 5


def test_fit_keeps_what_the_budget_allows():
    assert fit(["aa", "bb", "cc"], 12) == (["aa", "bb"], True)
    assert fit(["aa"], 100) == (["aa"], False)
