from datetime import timedelta

from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.run import Run, RunOutcome, Usage
from sre_daemon.traces.spans import span_id, spans, trace_id
from tests.support.clock import START
from tests.support.factories import incident


def at(seconds):
    return START + timedelta(seconds=seconds)


def event(seq, kind, when, summary="", **data):
    return TimelineEvent("01incident0001", at(when), kind, summary, data, seq)


def run(**values):
    chosen = {"started_at": at(1), "ended_at": at(8), "outcome": RunOutcome.DIAGNOSED} | values
    return Run("r1", "01incident0001", "claude", "claude-opus-4-6", **chosen)


INVESTIGATED = incident(State.INVESTIGATING), incident(State.DIAGNOSED, updated_at=at(9))


def test_stage_lasts_from_move_to_move():
    (stage,) = spans(*INVESTIGATED, [], [])
    assert (stage.name, stage.start, stage.end) == ("stage investigating", at(0), at(9))
    assert stage.parent_id == span_id("01incident0001")
    assert stage.attributes["sre_daemon.state.to"] == "diagnosed"
    assert stage.error == ""


def test_tool_calls_hang_under_their_run_and_end_when_they_were_recorded():
    step = event(4, Kind.STEP, 3, tool="get_logs", call="c2", seconds=0.5, is_error=True)
    stage, agent, call = spans(*INVESTIGATED, [step], [run(usage=Usage(2, 100, 20))])
    assert agent.name == "invoke_agent investigate"
    assert agent.parent_id == stage.span_id
    assert agent.attributes["gen_ai.usage.input_tokens"] == 100
    assert (call.name, call.parent_id) == ("execute_tool get_logs", agent.span_id)
    assert (call.start, call.end) == (at(2.5), at(3))
    assert call.attributes["gen_ai.tool.call.id"] == "c2"
    assert call.error == "tool_error"


def test_run_of_an_earlier_stage_is_not_sent_again():
    before = incident(State.VERIFYING, updated_at=at(20))
    after = incident(State.RESOLVED, updated_at=at(30))
    early = event(1, Kind.STEP, 3, tool="get_logs", call="c2", seconds=0.5)
    assert [span.name for span in spans(before, after, [early], [run()])] == ["stage verifying"]


def test_run_that_failed_says_how():
    _, agent = spans(*INVESTIGATED, [], [run(outcome=RunOutcome.TIMEOUT)])
    assert agent.error == "timeout"


def test_effects_are_spans_and_verdicts_are_moments():
    before = incident(State.REMEDIATING)
    after = incident(State.ESCALATED, updated_at=at(9))
    events = [
        event(1, Kind.VERDICT, 0, "allow: it is listed"),
        event(2, Kind.EFFECT, 1, "intended: set"),
        event(3, Kind.EFFECT, 2, "applied: set", effect="config.set", outcome="applied", seconds=1),
        event(4, Kind.ROLLBACK, 8, "failed", effect="config.set", outcome="failed", seconds=2),
    ]
    stage, done, undone = spans(before, after, events, [])
    assert stage.error == "escalated"
    assert [moment.name for moment in stage.moments] == ["verdict"]
    assert (done.name, done.error) == ("effect config.set", "")
    assert (undone.name, undone.start, undone.error) == ("rollback config.set", at(6), "failed")


def test_end_closes_the_whole_trace():
    before = incident(State.RESOLVED, updated_at=at(50))
    after = before.noting(resolution="proven").moved(Event.CLOSED, at(60))
    _, whole = spans(before, after, [], [])
    assert (whole.name, whole.parent_id) == ("incident", None)
    assert (whole.start, whole.end) == (START, at(60))
    assert whole.attributes["sre_daemon.resolution"] == "proven"
    assert (whole.trace_id, whole.span_id) == (trace_id(whole_id()), span_id(whole_id()))


def whole_id():
    return "01incident0001"


def test_same_facts_make_the_same_spans():
    step = event(4, Kind.STEP, 3, tool="get_logs", call="c2", seconds=0.5)
    facts = (*INVESTIGATED, [step], [run()])
    assert spans(*facts) == spans(*facts)
    identifiers = [span.span_id for span in spans(*facts)]
    assert len(set(identifiers)) == len(identifiers)


def test_identifiers_fit_and_differ_between_incidents():
    assert 0 < trace_id("a") < 1 << 128
    assert 0 < span_id("a") < 1 << 64
    assert trace_id("a") != trace_id("b")
    assert span_id("a", "run", "x") != span_id("a", "event", "x")
