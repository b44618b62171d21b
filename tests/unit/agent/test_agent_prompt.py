import re
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.agent import prompt
from sre_daemon.agent.base import FollowUp, Request
from sre_daemon.agent.text import Fence
from sre_daemon.agent.tools import READ_TOOLS
from sre_daemon.domain.alert import Alert, AlertStatus

MARKER = "00112233445566778899aabbccddeeff"
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def make_request(summary="pool", facts=None, question="", count=1):
    alerts = [
        Alert(
            labels={"alertname": "ApiDbPoolExhausted", "service": "api-server", "n": str(n)},
            status=AlertStatus.FIRING,
            starts_at=NOW,
            annotations={"summary": summary},
        )
        for n in range(count)
    ]
    return Request("r1", "i1", alerts, facts=facts or {}, question=question)


def outside(text):
    """What is left of a prompt without its fenced blocks."""
    return re.sub(rf"<data-{MARKER} title=.*?</data-{MARKER}>", "", text, flags=re.DOTALL)


@given(st.text(), st.text(), st.text())
def test_foreign_text_stays_inside_the_fence(summary, fact, question):
    plain = prompt.build(make_request("x", {"t": "x"}, "x"), Fence(MARKER))
    hostile = prompt.build(make_request(summary, {fact: summary}, question or "x"), Fence(MARKER))
    assert outside(hostile) == outside(plain)


def test_placeholders_in_foreign_text_are_not_filled():
    built = prompt.build(make_request("$facts ${alerts} $marker"), Fence(MARKER))
    assert "$facts ${alerts} $marker" in built


def test_labels_annotations_and_facts_are_in_the_prompt():
    built = prompt.build(make_request("too slow", {"Health": "critical"}), Fence(MARKER))
    for text in (
        "ApiDbPoolExhausted",
        "api-server",
        "too slow",
        "Health",
        "critical",
        "2026-01-02",
    ):
        assert text in built


def test_many_and_long_alerts_are_capped():
    built = prompt.build(make_request("x" * 100_000, count=1000))
    assert len(built) < 40_000
    assert "980 more alerts" in built


def test_a_question_needs_no_alert():
    request = Request("r1", "i1", (), question="why is it slow?")
    assert "why is it slow?" in prompt.build(request)


def test_system_prompt_names_every_effect_and_no_variable():
    system = prompt.SYSTEM.read_text()
    for word in ("config.set", "service.restart", "service.redeploy", "`quote`", "inconclusive"):
        assert word in system
    assert "$" not in system


@given(st.text(), st.text())
def test_question_and_facts_of_a_follow_up_stay_inside_the_fence(asked, fact):
    plain = prompt.follow_up(FollowUp("r1", "x", facts={"t": "x"}), Fence(MARKER))
    hostile = prompt.follow_up(FollowUp("r1", asked, facts={fact: asked}), Fence(MARKER))
    assert outside(hostile) == outside(plain)


def test_system_prompt_is_a_method_and_knows_no_tool_and_no_system():
    text = prompt.SYSTEM.read_text()
    assert "There is no script to follow" in text
    config = Path(__file__).parents[3] / "stack" / "guardrails.yaml"
    keys = re.findall(r"^ {4}([A-Z_]+):", config.read_text(), re.MULTILINE)
    assert len(keys) > 1
    for word in (*READ_TOOLS, *keys, "api-server", "promql", "db_connections"):
        assert word not in text, word
