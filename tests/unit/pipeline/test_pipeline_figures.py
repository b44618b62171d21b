"""The numbers of a claim are recomputed from the result; whatever does not follow from it is found."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.pipeline.figures import among, unfounded

RANGE = json.dumps(
    {
        "call": "c7",
        "query": "rate(http_requests_total[5m])",
        "count": 37,
        "series": [
            {
                "labels": {"service": "user-svc", "status": "500"},
                "values": [[1795500000, 0.5], [1795500060, 2.25], [1795500120, 12.4871]],
            },
            {"labels": {"service": "auth-svc"}, "values": [[1795500000, 4], [1795500120, 1]]},
        ],
    }
)
LOGS = json.dumps(
    {
        "call": "c8",
        "counts": {"error": 742, "warn": 3},
        "templates": [{"template": "pool exhausted after <*> s", "count": 700}],
        "lines": ["level=error pool exhausted after 0.01 s, 9 waiting"],
    }
)


@pytest.mark.parametrize(
    "claim",
    [
        "errors rose from 0.5 to 12.49 per second",
        "errors rose to about 12",
        "the rate grew by 11.99 and is 25 times as high",  # last minus first, last by first
        "the least is 0.5/s, the mean 5.08/s",
        "it fell from 4 to 1",
        "together 13.49 per second",
        "over the last 5 minutes it went to 12.5",
        "HTTP 500 responses",
        "more than 12 errors per second",
        "it began at 06:00 UTC",
        "p99, 5xx, db-1, c7, v1.2.3 and the 95th are names",
        "status 500 reached 1249 %",
        "the shop answers again",
    ],
)
def test_numbers_that_follow_from_a_series_are_right(claim):
    assert unfounded(claim, "", RANGE, {"promql": "rate(x[5m])"}) == []


@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        ("errors rose to 14 per second", ["14"]),
        ("errors rose to 12.5001 per second", ["12.5001"]),
        ("37 series", ["37"]),
        ("the pool has 8 connections", ["8"]),
        ("for 9 minutes", ["9"]),
        ("more than 900 per second", ["900"]),
        ("it began at 03:17", ["03:17"]),
        ("12,487 requests failed", ["12,487"]),
        ("2.25 of 7 failed", ["7"]),
    ],
)
def test_numbers_that_do_not_are_named(claim, wrong):
    found = unfounded(claim, "", RANGE, {"promql": "rate(x[5m])"})
    assert [text.replace(",", "") for text in found] == [text.replace(",", "") for text in wrong]


@pytest.mark.parametrize(
    ("claim", "quote", "wrong"),
    [
        ("742 errors, 700 of them from the pool", "pool exhausted", []),
        ("requests give up after 10 ms", "exhausted after 0.01 s", []),
        ("requests give up after 10 ms", "pool exhausted", ["10"]),  # not quoted, not a value
        ("9 requests wait", "9 waiting", []),
        ("800 errors", "pool exhausted", ["800"]),
        # A bound is about what was quoted, though 3 would satisfy it.
        ("fewer than 5 wait", "9 waiting", ["5"]),
        ("at least 5 wait", "9 waiting", []),
    ],
)
def test_quote_counts_first(claim, quote, wrong):
    assert unfounded(claim, quote, LOGS, {}) == wrong


def test_text_result_is_searched_for_numbers():
    assert unfounded("2 replicas are down", "", "replicas: 2 down", {}) == []
    assert unfounded("3 replicas are down", "", "replicas: 2 down", {}) == ["3"]


def test_window_of_the_question_is_no_value():
    assert unfounded("it lasted 5 min", "", "{}", {"promql": "x[5m]"}) == []
    assert unfounded("5 pods", "", "{}", {"promql": "x[5m]"}) == ["5"]


def test_sentence_is_compared_with_what_is_known():
    assert among("it is 1, not 20", ["DB_POOL_SIZE=1"]) == ["20"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(0, 4))
def test_every_value_is_right_however_it_is_rounded(values, places):
    output = json.dumps({"series": [{"values": [[n, v] for n, v in enumerate(values)]}]})
    claim = f"it was {abs(values[0]):.{places}f} at first"
    assert unfounded(claim, "", output, {}) == []


@given(st.integers(1000, 10**6), st.text(max_size=40))
def test_hostile_text_never_raises_and_bears_out_nothing(number, hostile):
    # Odd and above what text of this length can add up to.
    claim = f"it is {number * 10 + 7}"
    assert unfounded(claim, "", json.dumps({"note": f"a {hostile}"}), {"q": hostile}) != []
