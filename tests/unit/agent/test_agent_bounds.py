"""A run hears of its bounds before they end it, and going round is told from looking again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.agent.bounds import AGAIN_SECONDS, Bounds, Governor, add, tokens
from sre_daemon.domain.run import Usage
from sre_daemon.errors import AgentLimitReached

TURN = Usage(turns=1, input_tokens=900, output_tokens=100, cost_usd=0.1)


class Time:
    """Seconds that a test moves."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def governor(**bounds):
    time = Time()
    made = Governor(Bounds(**bounds), time)
    made.time = time
    return made


def calls(made, count):
    """The rulings about this many different calls."""
    return [made.ask("get_logs", {"lines": number}) for number in range(count)]


def test_tool_calls_are_nudged_once_then_refused():
    rulings = calls(governor(tool_calls=10), 12)
    assert [ruling.allow for ruling in rulings] == [True] * 9 + [False] * 3
    assert [number for number, ruling in enumerate(rulings) if ruling.allow and ruling.words] == [7]
    assert "tool calls" in rulings[7].words
    assert "Deliver now" in rulings[-1].words


@pytest.mark.parametrize(
    ("bound", "what"),
    [
        ({"turns": 10}, "model calls"),
        ({"tokens": 10_000}, "tokens"),
        ({"dollars": 1.0}, "dollars"),
    ],
)
def test_what_the_model_uses_is_nudged_and_then_ends_the_reading(bound, what):
    made = governor(**bound)
    seen = []
    for turn in range(11):
        seen.append(made.ask("get_logs", {"lines": turn}))
        made.model_called(TURN)
    assert not seen[6].words
    assert what in seen[7].words + seen[8].words
    assert all(ruling.allow for ruling in seen[:9])
    assert not seen[10].allow
    assert what in seen[10].words


def test_last_model_call_is_left_for_the_answer():
    made = governor(turns=3)
    assert made.ask("get_alerts", {}).allow
    made.model_called(TURN)
    made.model_called(TURN)
    assert not made.ask("get_logs", {}).allow


def test_time_is_nudged_and_then_ends_the_reading():
    made = governor(deadline=timedelta(seconds=100))
    made.time.seconds = 69
    assert not made.ask("get_logs", {}).words
    made.time.seconds = 71
    assert "minutes" in made.ask("get_alerts", {}).words
    made.time.seconds = 90
    assert not made.ask("list_metrics", {}).allow


@pytest.mark.parametrize(
    ("bound", "reason"),
    [({"turns": 3}, "turns"), ({"tokens": 3500}, "tokens"), ({"dollars": 0.35}, "money")],
)
def test_run_that_does_not_conclude_is_cut(bound, reason):
    made = governor(**bound)
    for _ in range(3):
        made.model_called(TURN)
        assert made.over() is None
    made.model_called(TURN)
    assert isinstance(made.over(), AgentLimitReached)
    assert reason in made.over().reason


def test_same_question_again_and_again_is_refused_and_then_all_are():
    made = governor()
    same = [made.ask("query_metrics", {"promql": "up", "minutes": 5}) for _ in range(5)]
    assert [ruling.allow for ruling in same] == [True, True, False, False, False]
    assert "have the answer" in same[2].words
    assert not made.ask("get_logs", {"service": "api"}).allow


def test_order_of_arguments_makes_no_other_question():
    made = governor()
    first, second = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    allowed = [made.ask("query_metrics", item).allow for item in (first, second, first)]
    assert allowed == [True, True, False]


def test_looking_again_later_is_no_loop():
    made = governor()
    for _ in range(8):
        assert made.ask("query_metrics", {"promql": "up"}).allow
        made.time.seconds += AGAIN_SECONDS


@given(st.lists(st.builds(Usage, turns=st.just(1), input_tokens=st.integers(0, 10**6))))
def test_usage_adds_up(usages):
    total = Usage()
    for usage in usages:
        total = add(total, usage)
    assert total.turns == len(usages)
    assert tokens(total) == sum(tokens(usage) for usage in usages)


@given(
    st.builds(Bounds, turns=st.integers(3, 60), tool_calls=st.integers(1, 60)),
    st.lists(st.booleans(), max_size=200),
)
def test_no_run_reads_more_than_its_bounds(bounds, moves):
    made = Governor(bounds, lambda: 0.0)
    read = 0
    for number, turn in enumerate(moves):
        if turn:
            made.model_called(TURN)
        elif made.over() is None:
            read += made.ask("get_logs", {"lines": number}).allow
    assert read <= bounds.tool_calls


def test_smaller_bounds_win():
    one = Bounds(timedelta(seconds=9), turns=9, tool_calls=1, tokens=9, dollars=1)
    other = Bounds(timedelta(seconds=1), turns=1, tool_calls=9, tokens=1, dollars=9)
    assert one.within(other) == Bounds(timedelta(seconds=1), 1, 1, 1, 1)
