"""The cost of a query is judged before Prometheus sees it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_tools.errors import ToolError
from mcp_tools.tools.promql import check, moment, seconds

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "query",
    [
        "up",
        "1 + 1",
        'rate(http_requests_total{status=~"5.."}[1m])',
        'sum by (service) (rate(a[5m])) / on (service) group_left () sum by (service) (rate(b{x!="}"}[5m]))',
        "max_over_time(rate(a[1m])[1h:15s])",
        'up{job="a"} or up{job="b"}',
        '{__name__=~"db_.*", service="api-server"}',
        '{job="api-server"}',
        '{"http.requests", status="500"}',
        "up # [1y:1s] is only a comment",
        'label_replace(up, "a", "[9y:1s]{", "b", "")',
        "db_pool_size offset 5m",
    ],
)
def test_ordinary_queries_pass(query):
    check(query)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('count_over_time({__name__=~".+"}[1y:1s])', "longer than 6 hours"),
        ("rate(a[7h])", "longer than 6 hours"),
        ("rate(a[1w])", "longer than 6 hours"),
        ("max_over_time(a[6h:1s])", "points"),
        ("max_over_time(a[6h:])", "points"),
        ("max_over_time(max_over_time(a[1h:10s])[1h:10s])", "points"),
        ("max_over_time(a[1h:1ms])", "points"),
        ('{__name__=~".+"}', "reads everything"),
        ('count({__name__=~".+"})', "reads everything"),
        ('up or {__name__=~".+"}', "reads everything"),
        ('up * on (a) group_left {__name__=~".+"}', "reads everything"),
        ('up unless {__name__=~".+"}', "reads everything"),
        ('{job=~".+"}', "reads everything"),
        ('{job=""}', "reads everything"),
        ('{job!="a"}', "reads everything"),
        ("{}", "reads everything"),
        ("a[$__range]", "not a duration"),
        ("a[5m+1y]", "not a duration"),
        ("", "empty"),
        ("up" + " " * 2048, "longer than 2048 bytes"),
    ],
)
def test_expensive_queries_are_refused(query, why):
    with pytest.raises(ToolError, match=why):
        check(query)


def test_steps_of_a_range_query_multiply():
    check("max_over_time(a[1m:1s])", steps=60)
    with pytest.raises(ToolError, match="points"):
        check("max_over_time(a[10m:1s])", steps=60)
    with pytest.raises(ToolError, match="points"):
        check("sum(rate(a[1m])[5m:1s])", steps=12_000)


@given(st.text(alphabet="{}[]\"'`=~,#:a1mh _\\\n", max_size=60))
def test_any_text_is_judged_without_a_crash(text):
    try:
        check(text)
    except ToolError:
        return


def test_durations_and_times_are_read():
    assert seconds("1h30m") == 5400
    assert seconds("15") == 15
    assert seconds("250ms") == 0.25
    assert moment("now", NOW) - moment("now-15m", NOW) == 900
    assert moment("2026-01-02T03:04:05Z", NOW) == NOW.timestamp()
    assert moment("2026-01-02T03:04:05", NOW) == NOW.timestamp()
    assert moment(str(NOW.timestamp()), NOW) == NOW.timestamp()


@pytest.mark.parametrize("text", ["", "soon", "now-x", "٣", "1h-30m", "9" * 40, "0000-00-00"])
def test_wrong_times_say_how_to_write_them(text):
    with pytest.raises(ToolError, match="Write"):
        moment(text, NOW)
