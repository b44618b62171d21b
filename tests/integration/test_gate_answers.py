"""The gate's answers: what it allows, each reason to refuse, and that a refusal leaves no trace of an intent."""

import asyncio
import json
import stat
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.approval import GRANT, Approval, ApprovalState
from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.effect import ServiceRestart, to_json
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.errors import TargetUnavailable
from sre_daemon.executor.gate import MAX_REQUEST, Gate
from sre_daemon.executor.guardrails import GuardrailFile
from sre_daemon.policy.source import PolicyFile
from tests.support.factories import REDEPLOY, REPAIR, SET_POOL, alert
from tests.support.repairs import LEASE, POLICY, connected, counted, under_repair

PLANNED, INTENDED = EffectState.PLANNED, EffectState.INTENDED
RESTART = ServiceRestart("api-server")
ERRORS = alert(alertname="HighErrorRate")
UNDO = (SET_POOL.inverse(), REDEPLOY)


async def refused(repair, reason, *effects, direction=Direction.FORWARD):
    """Ask in a session of its own: refused for this reason, counted, told, and nothing intended."""
    before = await repair.states(direction)
    async with repair.session(direction) as session:
        answer = await repair.ask(session.token, *(effects or (SET_POOL,)))
    assert (answer["allow"], answer["reason"]) == (False, reason)
    assert answer["message"]
    assert await repair.states(direction) == before
    assert counted(repair.metrics.gate_answers, reason=reason) == 1
    assert counted(repair.metrics.gate_answers, reason="allowed") == 0
    told = (await repair.store.timeline(repair.incident.id))[-1]
    assert told.summary.startswith("the gate refuses: ")
    assert answer["message"] in told.summary
    assert told.data["gate"] == reason


async def test_next_effect_is_allowed_after_its_intent_is_stored(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        repair.clock.advance(7)
        answer = await repair.ask(session.token, SET_POOL)
        assert (answer["allow"], answer["reason"]) == (True, "allowed")
        first, second = await repair.records()
        assert (first.state, first.intended_at) == (INTENDED, repair.clock.now())
        assert (second.state, second.intended_at) == (PLANNED, None)
        assert counted(repair.metrics.gate_answers, reason="allowed") == 1
        told = (await repair.store.timeline(repair.incident.id))[-1]
        assert told.summary == f"the gate allows: {SET_POOL.describe()}"
        assert told.data["effects"] == [to_json(SET_POOL)]


async def test_effects_are_allowed_in_their_order(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        assert (await repair.ask(session.token, SET_POOL))["allow"]
        await repair.settle(0)
        assert (await repair.ask(session.token, REDEPLOY))["allow"]
        assert await repair.states() == [EffectState.APPLIED, INTENDED]


async def test_two_effects_of_one_question_are_intended_together(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        assert (await repair.ask(session.token, *REPAIR))["allow"]
        assert await repair.states() == [INTENDED, INTENDED]


async def test_effect_that_was_measured_as_not_applied_may_be_asked_again(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        await repair.ask(session.token, SET_POOL)
        await repair.settle(0, EffectState.NOT_APPLIED)
        assert (await repair.ask(session.token, SET_POOL))["allow"]


@pytest.mark.parametrize(
    "effects",
    [
        (RESTART,),
        (REDEPLOY,),
        (REDEPLOY, SET_POOL),
        (SET_POOL, SET_POOL),
        (SET_POOL, REDEPLOY, REDEPLOY),
        (replace(SET_POOL, after="21"),),
        (replace(SET_POOL, key="OTHER"),),
        (replace(SET_POOL, path="config/other.env"),),
    ],
)
async def test_anything_but_the_next_of_the_plan_is_not_approved(tmp_path, effects):
    async with under_repair(tmp_path) as repair:
        await refused(repair, "not_approved", *effects)


@pytest.mark.parametrize("state", [INTENDED, EffectState.FAILED, EffectState.REFUSED])
async def test_effect_that_was_begun_is_not_allowed_a_second_time(tmp_path, state):
    async with under_repair(tmp_path) as repair:
        await repair.settle(0, state)
        await refused(repair, "not_approved")
        async with repair.session() as session:
            # Nor may the next one overtake it.
            assert not (await repair.ask(session.token, REDEPLOY))["allow"]


async def test_effects_of_an_earlier_attempt_are_not_approved(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.incident = replace(repair.incident, attempt=2)
        await refused(repair, "not_approved")


async def test_forward_token_does_not_roll_back(tmp_path):
    async with under_repair(tmp_path) as repair:
        await repair.store.plan(
            repair.incident, repair.incident.fence, Direction.ROLLBACK, UNDO, repair.clock.now()
        )
        await refused(repair, "not_approved", SET_POOL.inverse())
        assert await repair.states(Direction.ROLLBACK) == [PLANNED, PLANNED]


async def test_other_value_on_disk_is_a_changed_target(tmp_path):
    async with under_repair(tmp_path) as repair:
        await refused(repair, "target_changed", replace(SET_POOL, before="2"))


async def test_unknown_token_learns_nothing(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        for token in ("", "guessed", session.token[:-1], session.token + "x", "\ud800"):
            answer = await repair.ask(token, SET_POOL)
            assert (answer["allow"], answer["reason"]) == (False, "unknown_token")
        assert await repair.states() == [PLANNED, PLANNED]
        assert await repair.summaries() == []


async def test_token_is_worth_nothing_after_its_session(tmp_path):
    async with under_repair(tmp_path) as repair:
        async with repair.session() as session:
            pass
        assert (await repair.ask(session.token, SET_POOL))["reason"] == "unknown_token"


async def test_token_is_not_in_the_text_of_a_session(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        assert session.token not in repr(session)


@pytest.mark.parametrize(("seconds", "reason"), [(299, "allowed"), (300, "deadline")])
async def test_time_ends_at_the_deadline(tmp_path, seconds, reason):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        repair.clock.advance(seconds)
        assert (await repair.ask(session.token, SET_POOL))["reason"] == reason


@pytest.mark.parametrize("direction", list(Direction))
async def test_paused_daemon_changes_nothing(tmp_path, direction):
    async with under_repair(tmp_path) as repair:
        await repair.store.set_switch("paused", "ann: hands off", repair.clock.now())
        await refused(repair, "paused", direction=direction)


@pytest.mark.parametrize("direction", list(Direction))
async def test_worker_that_lost_its_claim_is_fenced_off(tmp_path, direction):
    async with under_repair(tmp_path) as repair:
        await repair.store.plan(
            repair.incident, repair.incident.fence, Direction.ROLLBACK, UNDO, repair.clock.now()
        )
        repair.clock.advance(LEASE.total_seconds())
        assert await repair.store.claim("another", repair.clock.now(), LEASE) is not None
        # It learns that first, whatever else is wrong.
        repair.watcher.failure = TargetUnavailable("gone")
        effect = SET_POOL if direction is Direction.FORWARD else SET_POOL.inverse()
        await refused(repair, "fenced", effect, direction=direction)


@pytest.mark.parametrize("event", [Event.FAILED, Event.APPLIED])
async def test_incident_that_moved_on_is_in_the_wrong_state(tmp_path, event):
    async with under_repair(tmp_path) as repair:
        await repair.move(event)
        await refused(repair, "wrong_state")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version: 1\nmode: act\n", "no_policy"),
        (POLICY.replace("ApiDbPoolExhausted", "SomethingElse"), "no_policy"),
        (POLICY.replace("mode: act", "mode: suggest"), "mode_ceiling"),
        (POLICY.replace("max: 100", "max: 19"), "value_out_of_bounds"),
        (POLICY.replace("key: DB_POOL_SIZE", "key: OTHER"), "effect_not_allowed"),
        ("version: 1\nmode: [act", "no_policy"),
        ("", "no_policy"),
        (POLICY + "unknown: 1\n", "no_policy"),
    ],
)
async def test_policy_counts_as_it_is_now(tmp_path, text, reason):
    async with under_repair(tmp_path) as repair:
        repair.policy.write_text(text)
        await refused(repair, reason)


async def test_deleted_policy_file_allows_nothing(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.policy.unlink()
        await refused(repair, "no_policy")


async def test_without_a_policy_file_nothing_is_allowed(tmp_path):
    async with under_repair(tmp_path) as repair:
        await repair.gate.stop()
        repair.gate = Gate(
            tmp_path / "other.sock",
            repair.store,
            repair.record,
            PolicyFile(None),
            repair.watcher,
            repair.clock,
            repair.metrics,
        )
        await repair.gate.start()
        try:
            await refused(repair, "no_policy")
        finally:
            await repair.gate.stop()


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nfiles: {config/api-server.env: {DB_POOL_SIZE: {type: integer, min: 5, max: 10}}}\n",
        "version: 1\nfiles: {config/api-server.env: {OTHER: {type: integer, min: 5, max: 100}}}\n",
        "version: 1\n",
        "files: [\n",
        "version: 1\nunknown: 1\n",
        None,
    ],
)
async def test_guardrails_hold_whatever_the_policy_says(tmp_path, text):
    file = tmp_path / "guardrails.yaml"
    if text is not None:
        file.write_text(text)
    async with under_repair(tmp_path) as repair:
        repair.gate.hold_to(GuardrailFile(file))
        await refused(repair, "guardrail")


async def test_a_value_within_the_guardrails_passes(tmp_path):
    file = tmp_path / "guardrails.yaml"
    file.write_text(
        "version: 1\nfiles: {config/api-server.env: {DB_POOL_SIZE: {type: integer, min: 5, max: 100}}}\n"
    )
    async with under_repair(tmp_path) as repair, repair.session() as session:
        repair.gate.hold_to(GuardrailFile(file))
        assert (await repair.ask(session.token, SET_POOL))["allow"] is True


async def test_alert_that_stopped_in_prometheus_allows_nothing(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.watcher.stopped.add("ApiDbPoolExhausted")
        await refused(repair, "alert_not_firing")


async def test_alert_that_was_reported_resolved_allows_nothing(tmp_path):
    async with under_repair(tmp_path, alert(status="resolved")) as repair:
        await refused(repair, "alert_not_firing")


async def test_firing_alert_of_another_policy_allows_only_its_effects(tmp_path):
    async with under_repair(tmp_path, alert(), ERRORS) as repair:
        repair.watcher.stopped.add("ApiDbPoolExhausted")
        await refused(repair, "effect_not_allowed")


async def test_silenced_alert_allows_nothing(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.watcher.silenced.add("ApiDbPoolExhausted")
        await refused(repair, "silenced")


async def test_silenced_alert_does_not_lend_its_policy_to_another(tmp_path):
    async with under_repair(tmp_path, alert(), ERRORS) as repair:
        repair.watcher.silenced.add("ApiDbPoolExhausted")
        await refused(repair, "effect_not_allowed")


async def test_silence_on_another_alert_does_not_matter(tmp_path):
    async with under_repair(tmp_path, alert(), ERRORS) as repair, repair.session() as session:
        repair.watcher.silenced.add("HighErrorRate")
        assert (await repair.ask(session.token, SET_POOL))["allow"]


async def test_unreachable_prometheus_is_a_no(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.watcher.failure = TargetUnavailable("Prometheus gave no answer")
        await refused(repair, "no_data")


async def test_unreachable_store_is_a_no(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        await repair.store.close()
        answer = await repair.ask(session.token, SET_POOL)
        assert (answer["allow"], answer["reason"]) == (False, "no_data")
        await repair.store.open()
        assert await repair.states() == [PLANNED, PLANNED]
        assert (await repair.ask(session.token, SET_POOL))["allow"]


@pytest.mark.parametrize(
    ("seconds", "reason"), [(60, "rate_limited"), (3599, "rate_limited"), (3600, "allowed")]
)
async def test_rate_limit_is_looked_at_again(tmp_path, seconds, reason):
    async with under_repair(tmp_path) as repair:
        await repair.another_acted(RESTART)
        repair.clock.advance(seconds)
        async with repair.session() as session:
            assert (await repair.ask(session.token, SET_POOL))["reason"] == reason


async def test_cool_down_is_looked_at_again(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.policy.write_text(POLICY.replace("per_hour: 1", "per_hour: 9"))
        await repair.another_acted(RESTART)
        repair.clock.advance(599)
        await refused(repair, "cooling_down")
        repair.clock.advance(1)
        async with repair.session() as session:
            assert (await repair.ask(session.token, SET_POOL))["allow"]


async def test_target_that_another_incident_repairs_is_left_alone(tmp_path):
    async with under_repair(tmp_path) as repair:
        await repair.another_acted(SET_POOL, policy="errors", over=False)
        await refused(repair, "concurrency")


@asynccontextmanager
async def taking_back(folder, event=None):
    """A repair whose first effect is applied and whose rollback is planned."""
    async with under_repair(folder) as repair:
        await repair.settle(0)
        await repair.store.plan(
            repair.incident, repair.incident.fence, Direction.ROLLBACK, UNDO, repair.clock.now()
        )
        if event is not None:
            await repair.move(event)
        yield repair


@pytest.mark.parametrize("event", [None, Event.APPLIED])
async def test_rollback_needs_no_alert_no_policy_and_no_prometheus(tmp_path, event):
    async with taking_back(tmp_path, event) as repair:
        repair.policy.unlink()
        repair.watcher.failure = TargetUnavailable("gone")
        async with repair.session(Direction.ROLLBACK) as session:
            assert (await repair.ask(session.token, UNDO[0]))["allow"]
        assert await repair.states(Direction.ROLLBACK) == [INTENDED, PLANNED]


async def test_rollback_is_only_what_was_planned(tmp_path):
    async with taking_back(tmp_path) as repair:
        await refused(repair, "not_approved", RESTART, direction=Direction.ROLLBACK)


async def test_rollback_after_the_end_is_in_the_wrong_state(tmp_path):
    async with taking_back(tmp_path, Event.FAILED) as repair:
        await refused(repair, "wrong_state", UNDO[0], direction=Direction.ROLLBACK)


async def test_of_two_questions_at_once_one_is_allowed(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        answers = await asyncio.gather(*(repair.ask(session.token, SET_POOL) for _ in range(8)))
        assert sorted(a["reason"] for a in answers) == ["allowed"] + ["not_approved"] * 7


async def test_claim_lost_between_two_questions_is_noticed(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        assert (await repair.ask(session.token, SET_POOL))["allow"]
        await repair.settle(0)
        repair.clock.advance(LEASE.total_seconds())
        await repair.store.claim("another", repair.clock.now(), LEASE)
        assert (await repair.ask(session.token, REDEPLOY))["reason"] == "fenced"


async def test_only_this_user_can_reach_the_socket(tmp_path):
    async with under_repair(tmp_path) as repair:
        mode = repair.gate.socket.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600


async def test_gate_starts_over_the_socket_of_a_killed_one(tmp_path):
    (tmp_path / "gate.sock").write_text("left behind")
    async with under_repair(tmp_path) as repair, repair.session() as session:
        assert (await repair.ask(session.token, SET_POOL))["allow"]


async def test_stopped_gate_allows_nothing_even_on_an_open_connection(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        async with connected(repair.gate.socket) as (reader, writer):
            writer.write(b"{}\n")
            await reader.readline()
            await repair.gate.stop()
            question = {"token": session.token, "effects": [to_json(SET_POOL)]}
            writer.write(json.dumps(question).encode() + b"\n")
            line = await reader.readline()
        assert not line or json.loads(line)["allow"] is False
        assert not repair.gate.socket.exists()
        assert await repair.states() == [PLANNED, PLANNED]


def question(token, /, **changes):
    """One line, with fields replaced; None leaves one out."""
    whole = {"token": token, "effects": [to_json(SET_POOL)]} | changes
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


def malformed(token):
    effect = to_json(SET_POOL)
    return {
        "empty": b"",
        "text": b"please",
        "list": b"[]",
        "null": b"null",
        "number": b"1" * 5000,
        "bytes": b"\xff\xfe\x00",
        "deep": b"[" * 60_000,
        "no token": question(token, token=None),
        "token no text": question(token, token=[token]),
        "no effects": question(token, effects=None),
        "empty effects": question(token, effects=[]),
        "effects no list": question(token, effects=effect),
        "unknown effect": question(token, effects=[{"effect": "shell.run", "command": "id"}]),
        "extra field": question(token, effects=[effect | {"more": "1"}]),
        "missing field": question(token, effects=[{"effect": "config.set", "key": "DB_POOL_SIZE"}]),
        "wrong type": question(token, effects=[effect | {"after": 20}]),
        "kind no text": question(token, effects=[effect | {"effect": ["config.set"]}]),
        "second one bad": question(token, effects=[effect, None]),
        "surrogates": question(token, effects=[effect | {"after": "\ud800"}]),
    }


@pytest.mark.parametrize("name", sorted(malformed("")))
async def test_line_that_cannot_be_understood_is_refused(tmp_path, name):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        async with connected(repair.gate.socket) as (reader, writer):
            writer.write(malformed(session.token)[name] + b"\n")
            answer = json.loads(await reader.readline())
            assert answer["allow"] is False
            assert await repair.states() == [PLANNED, PLANNED]
            # The same connection is still good for a real question.
            writer.write(question(session.token) + b"\n")
            assert json.loads(await reader.readline())["allow"] is True
        reason = answer["reason"]
        assert reason in {"not_approved", "effect_not_allowed"}
        assert counted(repair.metrics.gate_answers, reason=reason) == 1


async def test_line_without_end_closes_the_connection_and_nothing_else(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        async with connected(repair.gate.socket) as (reader, writer):
            writer.write(b"x" * (4 * MAX_REQUEST))
            with suppress(ConnectionError):
                assert await reader.read() == b""
        assert (await repair.ask(session.token, SET_POOL))["allow"]


async def test_silent_connection_holds_nobody_up(tmp_path):
    async with (
        under_repair(tmp_path) as repair,
        repair.session() as session,
        connected(repair.gate.socket) as (_, writer),
    ):
        writer.write(b'{"token": ')
        await writer.drain()
        assert (await repair.ask(session.token, SET_POOL))["allow"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["token", "effects", "effect", "path"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
LINES = st.one_of(
    st.binary(max_size=60).filter(lambda line: b"\n" not in line),
    JSON.map(lambda value: json.dumps(value).encode()),
    JSON.map(lambda value: json.dumps({"token": "TOKEN", "effects": [value]}).encode()),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=15))
def test_garbage_is_never_allowed_and_never_the_end(lines):
    async def run(folder):
        async with under_repair(folder) as repair, repair.session() as session:
            async with connected(repair.gate.socket) as (reader, writer):
                for line in lines:
                    writer.write(line.replace(b"TOKEN", session.token.encode()) + b"\n")
                    assert json.loads(await reader.readline())["allow"] is False
            assert await repair.states() == [PLANNED, PLANNED]
            assert (await repair.ask(session.token, SET_POOL))["allow"]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


# --- what a person was asked, and what guards say

ASK = POLICY.replace("autonomy: auto", "autonomy: ask", 1)
GUARDED = POLICY.replace("    allow:\n", "    guards: [g]\n    allow:\n", 1)


async def asked(repair, state=ApprovalState.GRANTED, effects=REPAIR):
    """The attempt asked, and this is what became of it."""
    now = repair.clock.now()
    approval = Approval(
        id="a1",
        incident_id=repair.incident.id,
        attempt=repair.incident.attempt,
        policy="pool",
        effects=effects,
        targets={},
        requested_at=now,
        expires_at=now + timedelta(minutes=30),
        state=state,
        decided_at=now,
    )
    repair.incident = await repair.store.save(repair.incident, repair.incident.fence, [], approval)


async def test_ask_without_a_question_is_refused(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.policy.write_text(ASK)
        await refused(repair, "autonomy")


@pytest.mark.parametrize(
    "state", sorted(set(ApprovalState) - {ApprovalState.GRANTED, ApprovalState.USED})
)
async def test_ask_without_a_yes_is_refused(tmp_path, state):
    async with under_repair(tmp_path) as repair:
        repair.policy.write_text(ASK)
        await asked(repair, state)
        await refused(repair, "autonomy")


async def test_ask_with_a_yes_is_allowed_and_the_yes_is_spent(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        repair.policy.write_text(ASK)
        await asked(repair)
        assert (await repair.ask(session.token, SET_POOL))["allow"]
        assert (await repair.approvals.of(repair.incident)).state is ApprovalState.USED
        await repair.settle(0)
        assert (await repair.ask(session.token, REDEPLOY))["allow"]


async def test_a_yes_to_other_effects_is_none(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.policy.write_text(ASK)
        await asked(repair, effects=(REDEPLOY,))
        await refused(repair, "autonomy")


async def test_a_yes_of_long_ago_is_none(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.policy.write_text(ASK)
        await asked(repair)
        repair.clock.advance(GRANT.total_seconds())
        await refused(repair, "autonomy")


async def test_a_yes_lifts_nothing_but_the_asking(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.policy.write_text(ASK.replace("max: 100", "max: 10"))
        await asked(repair)
        await refused(repair, "value_out_of_bounds")


@pytest.mark.parametrize(
    ("said", "reason"), [(True, "allowed"), (False, "guard_failed"), (None, "no_data")]
)
async def test_guards_are_evaluated_at_the_moment_of_the_effect(tmp_path, said, reason):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        repair.policy.write_text(GUARDED)
        repair.watcher.guards = {"g": said}
        assert (await repair.ask(session.token, SET_POOL))["reason"] == reason


# --- a person at work, and targets that changed


@pytest.mark.parametrize("direction", list(Direction))
async def test_a_person_at_work_is_left_alone(tmp_path, direction):
    async with under_repair(tmp_path) as repair:
        await repair.store.plan(
            repair.incident, repair.incident.fence, Direction.ROLLBACK, UNDO, repair.clock.now()
        )
        await repair.hands.off(repair.incident.id, "paul", "I look at it", repair.clock.now())
        effect = SET_POOL if direction is Direction.FORWARD else UNDO[0]
        await refused(repair, "hands_off", effect, direction=direction)
        assert "paul" in (await repair.summaries())[-1]
        await repair.hands.on(repair.incident.id, "paul", "done", repair.clock.now())
        async with repair.session(direction) as session:
            assert (await repair.ask(session.token, effect))["allow"]


@pytest.mark.parametrize(
    ("value", "reason"), [("true", "hands_off"), ("maintenance", "hands_off"), ("false", "allowed")]
)
async def test_a_label_takes_the_incident_out_of_the_daemon_s_hands(tmp_path, value, reason):
    async with (
        under_repair(tmp_path, alert(hands_off=value)) as repair,
        repair.session() as session,
    ):
        assert (await repair.ask(session.token, SET_POOL))["reason"] == reason


@pytest.mark.parametrize(
    "seen", [{"value": "1", "digest": "another"}, {"value": "2", "digest": ""}, {"unseen": "gone"}]
)
async def test_a_target_that_is_not_as_it_was_at_the_decision_is_left_alone(tmp_path, seen):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        session.seen[SET_POOL.target] = seen
        answer = await repair.ask(session.token, SET_POOL)
        assert answer["reason"] == "target_changed"


async def test_a_target_that_nobody_looked_at_is_left_alone(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        session.seen.clear()
        assert (await repair.ask(session.token, SET_POOL))["reason"] == "target_changed"


async def test_what_the_repair_itself_changed_is_no_other_target(tmp_path):
    async with under_repair(tmp_path) as repair, repair.session() as session:
        await repair.ask(session.token, SET_POOL)
        await repair.settle(0, EffectState.NOT_APPLIED)
        session.seen[SET_POOL.target] = {"value": "1", "digest": "written in between"}
        assert (await repair.ask(session.token, SET_POOL))["allow"]


async def test_a_lost_level_is_a_no_at_the_gate(tmp_path):
    async with under_repair(tmp_path) as repair:
        repair.record.levels = {"pool": Autonomy.ASK}
        await refused(repair, "demoted")
