"""Pausing without a network, and what follows from the record of policies, over a real store."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.trial import TrialOutcome
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.halt import Halt
from sre_daemon.pipeline.record import Record
from sre_daemon.policy.source import PolicyFile
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.store.trials import Trials
from tests.support.clock import START, ManualClock
from tests.support.factories import incident
from tests.support.repairs import POLICY, counted, store_incident

ONE = incident(State.VERIFYING, attempt=1, policy="pool")


@asynccontextmanager
async def kept(folder, failures=3):
    database, clock, metrics = SqliteDatabase(folder / "trust.sqlite3"), ManualClock(), Metrics()
    store, pauses, file = SqlStore(database), Pauses(database), folder / "policy.yaml"
    await store.open()
    file.write_text(POLICY)
    try:
        await store_incident(store, ONE)
        brake = failures, timedelta(hours=1)
        record = Record(Trials(database), pauses, PolicyFile(file), brake, clock, metrics)
        yield record, pauses, database, metrics
    finally:
        await store.close()


async def test_a_file_pauses_and_its_going_resumes_nothing(tmp_path):
    async with kept(tmp_path) as (_, pauses, database, _metrics):
        halt = Halt(tmp_path, pauses, ManualClock())
        await halt.once()
        assert await pauses.why() is None
        halt.file.touch()
        for _ in range(2):
            await halt.once()
        assert (await pauses.why()).startswith("file: ")
        halt.file.unlink()
        await halt.once()
        assert await pauses.why() is not None
        assert len(await AuditLog(database).page()) == 1
        await pauses.resume("done", "ada", START)
        await halt.once()
        assert await pauses.why() is None


@pytest.mark.parametrize("outcome", [TrialOutcome.FAILED, TrialOutcome.FALSE_SUCCESS])
async def test_one_failure_costs_the_policy_its_autonomy_at_once(tmp_path, outcome):
    async with kept(tmp_path) as (record, _, database, metrics):
        policy = PolicyFile(tmp_path / "policy.yaml").current()
        assert (await record.earned(policy))["pool"] is Autonomy.AUTO
        for _ in range(2):  # told twice after a crash, it is one
            await record.note(ONE, "pool", outcome)
        assert (await record.earned(policy))["pool"] is Autonomy.ASK
        assert (await record.earned(policy))["errors"] is Autonomy.AUTO
        assert counted(metrics.autonomy_changes, direction="demoted") == 1
        (line,) = await AuditLog(database).page()
        assert "demoted from auto to ask" in line.entry.summary
        level = {"policy": "pool"}
        assert metrics.registry.get_sample_value("sre_daemon_autonomy_level", level) == 1


async def test_so_many_failures_pause_the_daemon_itself(tmp_path):
    async with kept(tmp_path) as (record, pauses, _, _metrics):
        for number in range(1, 4):
            assert await pauses.why() is None
            await record.note(replace(ONE, attempt=number), "pool", TrialOutcome.FAILED)
        assert (await pauses.why()).startswith("daemon: 3 repairs failed")


async def test_successes_and_no_brake_pause_nothing(tmp_path):
    async with kept(tmp_path, failures=0) as (record, pauses, _, _metrics):
        for number in range(1, 6):
            await record.note(replace(ONE, attempt=number), "pool", TrialOutcome.FAILED)
            await record.note(replace(ONE, attempt=number), "pool", TrialOutcome.VERIFIED)
        assert await pauses.why() is None


async def test_a_policy_that_is_gone_has_no_record(tmp_path):
    async with kept(tmp_path) as (record, _, database, _metrics):
        await record.note(ONE, "another", TrialOutcome.FAILED)
        (tmp_path / "policy.yaml").unlink()
        await record.note(ONE, "pool", TrialOutcome.FAILED)
        assert await AuditLog(database).page() == []
