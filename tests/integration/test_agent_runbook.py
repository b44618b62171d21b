from pathlib import Path

import pytest

from sre_daemon.agent.runbook import RunbookInvestigator
from sre_daemon.agent.runbook import file as runbook_file
from sre_daemon.errors import AgentTimeout, AgentUnavailable, RunbookError, StoreUnavailable
from sre_daemon.pipeline import evidence
from sre_daemon.toolclient import open_session
from tests.support.investigations import Recorder, make_request, stand_in
from tests.support.runbooks import FRONT, WORLD, runbook


def books(*texts):
    return [
        runbook_file.parse(text, Path(f"{number}.md"))
        for number, text in enumerate(texts or (runbook(),))
    ]


async def investigate(server, request=None, runbooks=None):
    recorder = Recorder()
    investigator = RunbookInvestigator(runbooks or books(), lambda: open_session(server))
    report = await investigator.investigate(request or make_request(), recorder)
    return report.diagnosis, recorder


async def test_cause_is_found_with_evidence_that_is_on_record(tmp_path):
    diagnosis, recorder = await investigate(stand_in(tmp_path))
    assert diagnosis.root_cause == "DB_POOL_SIZE is 1; the pool runs with 1"
    assert evidence.check(diagnosis, recorder.recorded, recompute=False).supported
    assert [effect.kind for effect in diagnosis.proposed] == ["config.set", "service.redeploy"]


async def test_every_call_is_reported(tmp_path):
    _, recorder = await investigate(stand_in(tmp_path))
    assert {step.tool for step in recorder.calls} == {
        "query_metrics",
        "read_config_file",
        "get_logs",
    }
    assert len({step.call for step in recorder.calls}) == 3
    assert all(step.seconds > 0 for step in recorder.calls)


async def test_finding_that_does_not_hold_is_inconclusive(tmp_path):
    world = WORLD | {"get_logs": {"lines": []}}
    diagnosis, _ = await investigate(stand_in(tmp_path, world))
    assert not diagnosis.conclusive
    assert diagnosis.proposed == ()
    assert "no finding of the runbook api-db-pool-exhausted holds" in diagnosis.missing


async def test_failed_step_is_named_in_what_is_missing(tmp_path):
    world = WORLD | {"get_logs": {"error": "supervisord does not answer"}}
    diagnosis, recorder = await investigate(stand_in(tmp_path, world))
    assert not diagnosis.conclusive
    assert any("supervisord does not answer" in text for text in diagnosis.missing)
    assert [step.is_error for step in recorder.calls if step.tool == "get_logs"] == [True]


async def test_alert_without_a_runbook_starts_no_tool_server(tmp_path):
    server = stand_in(tmp_path, mode="hang")
    diagnosis, recorder = await investigate(server, make_request(alertname="Other"))
    assert not diagnosis.conclusive
    assert diagnosis.missing == ("no runbook matches the alerts of this incident",)
    assert recorder.steps == []


async def test_question_of_two_runbooks_is_asked_once(tmp_path):
    other = runbook(FRONT.replace("name: api", "name: other"))
    _, recorder = await investigate(stand_in(tmp_path), runbooks=books(runbook(), other))
    assert len(recorder.calls) == 3


async def test_tool_server_that_crashes_makes_the_engine_unavailable(tmp_path):
    with pytest.raises(AgentUnavailable, match="went away"):
        await investigate(stand_in(tmp_path, mode="crash"))


async def test_tool_that_never_answers_is_cut_at_the_deadline(tmp_path):
    with pytest.raises(AgentTimeout):
        await investigate(stand_in(tmp_path, mode="silent"), make_request(seconds=0.5))


async def test_store_that_fails_is_not_taken_for_the_agent(tmp_path):
    async def on_step(step):
        raise StoreUnavailable("locked")

    investigator = RunbookInvestigator(books(), lambda: open_session(stand_in(tmp_path)))
    with pytest.raises(StoreUnavailable):
        await investigator.investigate(make_request(), on_step)


def test_folder_is_loaded_in_order_and_names_are_unique(tmp_path):
    (tmp_path / "b.md").write_text(runbook(FRONT.replace("name: api", "name: b")))
    (tmp_path / "a.md").write_text(runbook(FRONT.replace("name: api", "name: a")))
    (tmp_path / "notes.txt").write_text("not a runbook")
    assert [book.name[0] for book in runbook_file.load([tmp_path])] == ["a", "b"]
    with pytest.raises(RunbookError, match="is taken by"):
        runbook_file.load([tmp_path, tmp_path / "a.md"])


def test_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(RunbookError, match=r"nothing\.md: cannot be read"):
        runbook_file.load([tmp_path / "nothing.md"])
