"""The executor against a real gate: the order, the refusals, and what is made of an unknown outcome."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from sre_daemon.domain.effect import ConfigSet, PostmortemWrite, ServiceRestart
from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import Event, RemediationState, State
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import ToolError, ToolServerUnavailable
from sre_daemon.executor.executor import Executor
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.baseline import Restored
from sre_daemon.pipeline.remediate import Remediate
from sre_daemon.pipeline.stage import Escalate, Next
from sre_daemon.pipeline.undo import Undo
from tests.support.clock import START
from tests.support.factories import REDEPLOY, REPAIR, SET_POOL, alert, diagnosis
from tests.support.hands import Killed, Shop
from tests.support.repairs import LEASE, Repair, counted, under_repair

FORWARD, ROLLBACK = Direction.FORWARD, Direction.ROLLBACK
PLANNED, APPLIED = EffectState.PLANNED, EffectState.APPLIED
EDIT, COMMAND, READ = "edit_config_file", "run_shell_command", "read_config_file"
FORWARD_CHANGES = [effect.describe() for effect in REPAIR]
BACK = SET_POOL.inverse()


@dataclass
class Bench:
    """A repair, the shop it is about, and who does it."""

    repair: Repair
    shop: Shop
    executor: Executor
    undo: Undo

    async def apply(self, direction=FORWARD):
        return await self.executor.apply(self.repair.incident, direction)

    async def states(self, direction=FORWARD):
        return await self.repair.states(direction)

    async def remediate(self):
        """The stage, with the repair as its diagnosis."""
        repair = self.repair
        noted = repair.incident.noting(diagnosis=wire.diagnosis_to_json(diagnosis(*REPAIR)))
        stage = Remediate(repair.store, repair.approvals, self.executor, self.undo, repair.clock)
        return await stage(noted)


async def as_before(_incident):
    """A rollback after which everything is as before."""
    return Restored((), {"up == 1": 1.0}, {"up == 1": 1.0})


@asynccontextmanager
async def bench(folder, back=as_before, **options):
    async with under_repair(folder, **options) as repair:
        shop = Shop(repair)
        executor = Executor(repair.store, repair.gate, shop.open, repair.clock, repair.metrics)
        undo = Undo(repair.store, executor, back, repair.clock, repair.metrics)
        yield Bench(repair, shop, executor, undo)


async def test_effects_are_applied_in_their_order(tmp_path):
    async with bench(tmp_path) as b:
        applied = await b.apply()
        assert (applied.complete, applied.reason) == (True, Reason.APPLIED)
        assert b.shop.changes == FORWARD_CHANGES
        assert b.shop.keys == {"DB_POOL_SIZE": "20"}
        assert await b.states() == [APPLIED, APPLIED]
        assert b.shop.sessions == 1


async def test_what_was_done_is_told_and_counted(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply()
        told = [e for e in await b.repair.store.timeline(b.repair.incident.id) if "tool" in e.data]
        assert [e.kind for e in told] == [Kind.EFFECT, Kind.EFFECT]
        assert [e.summary for e in told] == [f"applied: {text}" for text in FORWARD_CHANGES]
        assert [(e.data["tool"], e.data["seconds"]) for e in told] == [(EDIT, 3), (COMMAND, 3)]
        metrics = b.repair.metrics
        assert counted(metrics.effects, effect="config.set", outcome="applied") == 1
        assert counted(metrics.effects, effect="service.redeploy", outcome="applied") == 1
        assert counted(metrics.tool_calls, tool=EDIT, outcome="ok") == 1


async def test_applying_again_does_nothing(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply()
        again = await b.apply()
        assert again.complete
        assert b.shop.changes == FORWARD_CHANGES
        assert b.shop.sessions == 1


async def test_token_ends_with_the_repair(tmp_path):
    tokens = []
    async with bench(tmp_path) as b:

        @asynccontextmanager
        async def watched(token, direction):
            tokens.append(token)
            async with b.shop.open(token, direction) as tools:
                yield tools

        b.executor = Executor(
            b.repair.store, b.repair.gate, watched, b.repair.clock, b.repair.metrics
        )
        await b.apply()
        assert (await b.repair.ask(tokens[0], SET_POOL))["reason"] == "unknown_token"


async def test_refusal_of_the_guard_changes_nothing(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = ["guard"]
        applied = await b.apply()
        assert (applied.reason, applied.message) == (
            Reason.EFFECT_REFUSED,
            "a guardrail forbids it",
        )
        assert b.shop.changes == []
        assert await b.states() == [EffectState.REFUSED, PLANNED]


async def test_refusal_of_the_gate_ends_the_repair(tmp_path):
    async with bench(tmp_path) as b:
        b.repair.watcher.stopped.add("ApiDbPoolExhausted")
        applied = await b.apply()
        assert applied.reason is Reason.EFFECT_REFUSED
        assert applied.message.startswith("alert_not_firing: ")
        assert b.shop.changes == []
        assert await b.states() == [EffectState.REFUSED, PLANNED]
        # A repair that was refused is not tried again by itself.
        b.repair.watcher.stopped.clear()
        assert (await b.apply()).reason is Reason.EFFECT_FAILED
        assert b.shop.changes == []


async def test_refusal_of_the_second_effect_keeps_the_first_on_record(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[COMMAND] = ["guard"]
        assert (await b.apply()).reason is Reason.EFFECT_REFUSED
        assert await b.states() == [APPLIED, EffectState.REFUSED]


@pytest.mark.parametrize("tool", [EDIT, COMMAND])
async def test_failure_before_the_change_is_measured_as_not_applied(tmp_path, tool):
    async with bench(tmp_path) as b:
        b.shop.faults[tool] = ["before"]
        applied = await b.apply()
        assert (applied.reason, applied.message) == (Reason.EFFECT_FAILED, "the disk is full")
        number = [EDIT, COMMAND].index(tool)
        assert (await b.states())[number] is EffectState.NOT_APPLIED
        assert b.shop.changes == FORWARD_CHANGES[:number]


@pytest.mark.parametrize("fault", ["after", "lost"])
@pytest.mark.parametrize("tool", [EDIT, COMMAND])
async def test_change_whose_answer_is_bad_or_lost_is_measured_as_applied(tmp_path, tool, fault):
    async with bench(tmp_path) as b:
        b.shop.faults[tool] = [fault]
        assert (await b.apply()).complete
        assert await b.states() == [APPLIED, APPLIED]
        assert b.shop.changes == FORWARD_CHANGES


async def test_service_that_does_not_run_was_not_deployed(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[COMMAND] = ["before"]
        b.shop.running, b.shop.started = False, b.repair.clock.now().replace(year=2027)
        assert (await b.apply()).reason is Reason.EFFECT_FAILED
        assert await b.states() == [APPLIED, EffectState.NOT_APPLIED]


async def test_value_that_nobody_wanted_is_a_failure_for_a_person(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = ["wrong"]
        assert (await b.apply()).reason is Reason.EFFECT_FAILED
        first = (await b.repair.records())[0]
        assert (first.state, first.detail["measured"]) == (
            EffectState.FAILED,
            "DB_POOL_SIZE is '13'",
        )


@pytest.mark.parametrize("fault", ["gone", "gone_after"])
async def test_outcome_that_cannot_be_measured_stays_unknown(tmp_path, fault):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = [fault]
        assert (await b.apply()).reason is Reason.EFFECT_FAILED
        assert await b.states() == [EffectState.INTENDED, PLANNED]
        assert f"unknown: {FORWARD_CHANGES[0]}" in (await b.repair.summaries())[-1]


async def test_file_that_cannot_be_read_leaves_the_outcome_unknown(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults |= {EDIT: ["after"], READ: ["before"]}
        assert (await b.apply()).reason is Reason.EFFECT_FAILED
        assert await b.states() == [EffectState.INTENDED, PLANNED]


async def test_kill_after_the_change_is_measured_and_not_repeated(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = ["killed_after"]
        with pytest.raises(Killed):
            await b.apply()
        assert await b.states() == [EffectState.INTENDED, PLANNED]
        assert (await b.apply()).complete
        assert b.shop.changes == FORWARD_CHANGES


async def test_kill_before_the_change_repeats_it_once(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = ["killed"]
        with pytest.raises(Killed):
            await b.apply()
        assert b.shop.changes == []
        assert (await b.apply()).complete
        assert b.shop.changes == FORWARD_CHANGES


@pytest.mark.parametrize(
    ("fault", "changes"),
    [("killed_after", FORWARD_CHANGES), ("killed", FORWARD_CHANGES)],
)
async def test_kill_around_a_redeploy_deploys_once(tmp_path, fault, changes):
    async with bench(tmp_path) as b:
        b.shop.faults[COMMAND] = [fault]
        with pytest.raises(Killed):
            await b.apply()
        assert (await b.apply()).complete
        assert b.shop.changes == changes


@pytest.mark.parametrize(("fault", "deploys"), [("killed_after", 1), ("killed", 1)])
async def test_a_container_that_started_again_by_itself_was_not_redeployed(
    tmp_path, fault, deploys
):
    async with bench(tmp_path) as b:
        b.shop.made = b.shop.started
        b.shop.faults[COMMAND] = [fault]
        with pytest.raises(Killed):
            await b.apply()
        # The engine starts whatever there is once more: the new one, or still the old one.
        b.shop.started = b.repair.clock.advance(5)
        assert (await b.apply()).complete
        assert b.shop.changes.count(REDEPLOY.describe()) == deploys
        assert b.shop.made > START


async def test_kill_and_somebody_elses_value_is_left_for_a_person(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = ["killed_after"]
        with pytest.raises(Killed):
            await b.apply()
        b.shop.keys["DB_POOL_SIZE"] = "7"
        applied = await b.apply()
        assert (applied.reason, applied.message) == (
            Reason.EFFECT_FAILED,
            "DB_POOL_SIZE is '7'",
        )
        assert await b.states() == [EffectState.FAILED, PLANNED]
        assert b.shop.keys["DB_POOL_SIZE"] == "7"


async def test_measured_again_after_a_kill_still_unknown_ends_the_repair(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults |= {EDIT: ["killed_after"], READ: ["before"]}
        with pytest.raises(Killed):
            await b.apply()
        assert (await b.apply()).reason is Reason.EFFECT_FAILED
        assert await b.states() == [EffectState.INTENDED, PLANNED]
        assert b.shop.changes == FORWARD_CHANGES[:1]


async def test_worker_that_was_replaced_changes_nothing(tmp_path):
    async with bench(tmp_path) as b:
        b.repair.clock.advance(LEASE.total_seconds())
        await b.repair.store.claim("another", b.repair.clock.now(), LEASE)
        applied = await b.apply()
        assert applied.reason is Reason.EFFECT_REFUSED
        assert applied.message.startswith("fenced: ")
        assert b.shop.changes == []


async def test_postmortem_is_no_repair(tmp_path):
    async with bench(tmp_path, effects=(PostmortemWrite("x"),)) as b:
        with pytest.raises(ToolError, match="no repair"):
            await b.apply()
        assert await b.states() == [PLANNED]


async def test_repair_that_works_goes_on_to_its_proof(tmp_path):
    async with bench(tmp_path) as b:
        outcome = await b.remediate()
        assert isinstance(outcome, Next)
        assert (outcome.event, outcome.reason) == (Event.APPLIED, Reason.APPLIED)
        assert outcome.notes == {
            "remediation": RemediationState.RUNNING,
            "applied_at": b.repair.clock.now().isoformat(),
        }


@pytest.mark.parametrize("fault", ["before", "guard"])
async def test_failed_redeploy_puts_the_old_value_back(tmp_path, fault):
    async with bench(tmp_path) as b:
        b.shop.faults[COMMAND] = [fault]
        outcome = await b.remediate()
        assert isinstance(outcome, Escalate)
        assert outcome.message.endswith("; the change was taken back, and everything is as before")
        assert outcome.notes == {"remediation": RemediationState.ROLLED_BACK}
        assert b.shop.keys == {"DB_POOL_SIZE": "1"}
        # A redeploy that the guard refused never began, so it is not done again.
        again = [REDEPLOY.describe()] if fault == "before" else []
        assert b.shop.changes == [FORWARD_CHANGES[0], BACK.describe(), *again]
        assert counted(b.repair.metrics.rollbacks, outcome="done") == 1


async def test_tool_server_that_died_after_the_change_does_not_hide_it(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = ["gone_after"]
        outcome = await b.remediate()
        assert b.shop.keys == {"DB_POOL_SIZE": "1"}
        assert outcome.message.endswith("; the change was taken back, and everything is as before")


async def test_tool_server_that_died_before_the_change_leaves_nothing_to_take_back(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = ["gone"]
        outcome = await b.remediate()
        assert b.shop.keys == {"DB_POOL_SIZE": "1"}
        assert b.shop.changes == []
        assert outcome.notes == {"remediation": RemediationState.ROLLED_BACK}


async def test_first_effect_refused_has_nothing_to_take_back(tmp_path):
    async with bench(tmp_path) as b:
        b.shop.faults[EDIT] = ["guard"]
        outcome = await b.remediate()
        assert (outcome.reason, outcome.notes) == (
            Reason.EFFECT_REFUSED,
            {"remediation": RemediationState.FAILED},
        )
        assert outcome.message.endswith("; there was nothing to take back")
        assert counted(b.repair.metrics.rollbacks, outcome="done") == 0
        assert await b.states(ROLLBACK) == []


async def test_tool_server_that_does_not_start_is_a_failed_repair(tmp_path):
    async with bench(tmp_path) as b:

        @asynccontextmanager
        async def broken(token, direction):
            raise ToolServerUnavailable("no such program")
            yield

        b.executor = Executor(
            b.repair.store, b.repair.gate, broken, b.repair.clock, b.repair.metrics
        )
        outcome = await b.remediate()
        assert isinstance(outcome, Escalate)
        assert outcome.reason is Reason.EFFECT_FAILED
        assert await b.states() == [PLANNED, PLANNED]


async def test_taking_back_works_when_the_alert_and_the_policy_are_gone(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply()
        b.repair.watcher.stopped.add("ApiDbPoolExhausted")
        b.repair.policy.unlink()
        undone = await b.undo(b.repair.incident)
        assert undone.state is RemediationState.ROLLED_BACK
        assert b.shop.keys == {"DB_POOL_SIZE": "1"}
        assert b.shop.changes == [*FORWARD_CHANGES, BACK.describe(), REDEPLOY.describe()]
        last = (await b.repair.store.timeline(b.repair.incident.id))[-1]
        assert last.kind is Kind.ROLLBACK
        assert last.data == {
            "complete": True,
            "proven": True,
            "before": {"up == 1": 1.0},
            "after": {"up == 1": 1.0},
        }


async def test_rollback_after_which_something_is_worse_is_a_failed_one(tmp_path):
    async def worse(_incident):
        return Restored(
            ["held before and does not hold: up == 1"], {"up == 1": 1.0}, {"up == 1": 0}
        )

    async with bench(tmp_path, worse) as b:
        await b.apply()
        undone = await b.undo(b.repair.incident)
        assert b.shop.keys == {"DB_POOL_SIZE": "1"}
        assert undone.state is RemediationState.FAILED
        assert undone.sentence == (
            "rollback failed: the change was taken back, but not everything is as before: "
            "held before and does not hold: up == 1 (up == 1: 1.0 before, 0 after)"
        )
        assert counted(b.repair.metrics.rollbacks, outcome="failed") == 1
        assert counted(b.repair.metrics.rollbacks, outcome="done") == 0


async def test_taking_back_twice_changes_nothing_more(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply()
        await b.undo(b.repair.incident)
        changes = list(b.shop.changes)
        assert (await b.undo(b.repair.incident)).state is RemediationState.ROLLED_BACK
        assert b.shop.changes == changes


@pytest.mark.parametrize("fault", ["killed", "killed_after"])
@pytest.mark.parametrize("tool", [EDIT, COMMAND])
async def test_kill_while_taking_back_takes_back_once(tmp_path, tool, fault):
    async with bench(tmp_path) as b:
        await b.apply()
        b.shop.faults[tool] = [fault]
        with pytest.raises(Killed):
            await b.undo(b.repair.incident)
        assert await b.undo.begun(b.repair.incident)
        # The stage goes on taking back; it does not repair again.
        outcome = await b.remediate()
        assert isinstance(outcome, Escalate)
        assert outcome.message == (
            "interrupted; the change was taken back, and everything is as before"
        )
        assert b.shop.changes == [*FORWARD_CHANGES, BACK.describe(), REDEPLOY.describe()]


async def test_value_that_somebody_changed_meanwhile_is_not_overwritten(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply()
        b.shop.keys["DB_POOL_SIZE"] = "50"
        undone = await b.undo(b.repair.incident)
        assert undone.state is RemediationState.FAILED
        assert undone.sentence == "the change could NOT be taken back: DB_POOL_SIZE is 50"
        assert b.shop.keys == {"DB_POOL_SIZE": "50"}
        assert counted(b.repair.metrics.rollbacks, outcome="failed") == 1


async def test_paused_daemon_says_that_it_did_not_take_back(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply()
        await b.repair.store.set_switch("paused", "ann: stop", b.repair.clock.now())
        undone = await b.undo(b.repair.incident)
        assert undone.state is RemediationState.FAILED
        assert "could NOT be taken back: paused" in undone.sentence
        assert b.shop.keys == {"DB_POOL_SIZE": "20"}


async def test_changes_of_an_earlier_attempt_are_not_taken_back(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply()
        second = replace(b.repair.incident, attempt=2)
        assert (await b.undo(second)).sentence == "there was nothing to take back"
        assert b.shop.changes == FORWARD_CHANGES


async def test_restart_without_configuration_has_nothing_to_undo(tmp_path):
    restart = ServiceRestart("api-server")
    async with bench(tmp_path, effects=(restart,)) as b:
        assert (await b.apply()).complete
        assert (await b.undo(b.repair.incident)).sentence == "there was nothing to take back"
        assert b.shop.changes == [restart.describe()]


async def test_several_keys_are_put_back_last_first(tmp_path):
    other = ConfigSet(SET_POOL.path, "DB_POOL_TIMEOUT", "2", "5")
    async with bench(tmp_path, effects=(SET_POOL, other, REDEPLOY)) as b:
        text = b.repair.policy.read_text()
        extra = (
            "      - {effect: config.set, path: config/api-server.env, key: DB_POOL_TIMEOUT,"
            " value: {type: integer, min: 1, max: 9}}\n"
        )
        b.repair.policy.write_text(text.replace("    allow:\n", f"    allow:\n{extra}", 1))
        b.shop.keys["DB_POOL_TIMEOUT"] = "2"
        assert (await b.apply()).complete
        await b.undo(b.repair.incident)
        back = [other.inverse(), BACK, REDEPLOY]
        assert b.shop.changes[3:] == [effect.describe() for effect in back]
        assert b.shop.keys == {"DB_POOL_SIZE": "1", "DB_POOL_TIMEOUT": "2"}


async def test_rollback_from_the_proof_works_too(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply()
        await b.repair.move(Event.APPLIED)
        assert b.repair.incident.state is State.VERIFYING
        assert (await b.undo(b.repair.incident)).state is RemediationState.ROLLED_BACK
        assert b.shop.keys == {"DB_POOL_SIZE": "1"}


async def test_two_alerts_of_one_incident_repair_once(tmp_path):
    async with under_repair(tmp_path, alert(), alert(pod="b")) as repair:
        shop = Shop(repair)
        executor = Executor(repair.store, repair.gate, shop.open, repair.clock, repair.metrics)
        assert (await executor.apply(repair.incident, FORWARD)).complete
        assert shop.changes == FORWARD_CHANGES
