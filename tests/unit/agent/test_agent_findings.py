import copy
import json
from pathlib import Path

import pytest

from sre_daemon.agent.runbook import file as runbook_file
from sre_daemon.agent.runbook.file import Condition, Finding
from sre_daemon.agent.runbook.findings import Outcome, evaluate
from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy
from tests.support.runbooks import WORLD, runbook

BOOK = runbook_file.parse(runbook(), Path("pool.md"))
NOT_A_NUMBER, TOO_SMALL = BOOK.front.findings
STEPS = {"pool": "query_metrics", "config": "read_config_file", "logs": "get_logs"}


def outcomes(world=WORLD, failed=()):
    found = {}
    for number, (step, tool) in enumerate(STEPS.items(), start=1):
        data = {"call": f"c{number}", **world[tool]}
        output = json.dumps(data, ensure_ascii=False)
        found[step] = Outcome(f"c{number}", output, None if step in failed else data)
    return found


def world(**changes):
    changed = copy.deepcopy(WORLD)
    for tool, data in changes.items():
        changed[tool].update(data)
    return changed


def holds(found, **condition):
    finding = Finding(
        id="x", when=(Condition(claim="x", **condition),), root_cause="x", confidence=1
    )
    return evaluate(finding, found) is not None


def test_finding_that_holds_gives_the_whole_diagnosis():
    found = outcomes()
    diagnosis = evaluate(TOO_SMALL, found)
    assert diagnosis.conclusive
    assert diagnosis.root_cause == "DB_POOL_SIZE is 1; the pool runs with 1"
    assert diagnosis.proposed == (
        ConfigSet("config/api-server.env", "DB_POOL_SIZE", "1", "20"),
        ServiceRedeploy("api-server"),
    )
    assert [item.call for item in diagnosis.evidence] == ["c1", "c2", "c3"]


def test_every_quote_is_literally_in_the_output_it_names():
    found = outcomes()
    by_call = {outcome.call: outcome.output for outcome in found.values()}
    quotes = evaluate(TOO_SMALL, found).evidence
    assert [item.quote for item in quotes] == ['"value": 1', "DB_POOL_SIZE=1", "pool exhausted"]
    assert all(item.quote in by_call[item.call] for item in quotes)


def test_quote_that_json_escapes_is_found_too():
    found = outcomes()
    condition = Condition(step="logs", claim="x", contains='msg="connection')
    finding = Finding(id="x", when=(condition,), root_cause="x", confidence=1)
    (item,) = evaluate(finding, found).evidence
    assert item.quote in found["logs"].output


def test_one_condition_that_fails_is_enough():
    assert evaluate(TOO_SMALL, outcomes(world(get_logs={"lines": ["fine"]}))) is None


@pytest.mark.parametrize("step", STEPS)
def test_step_that_failed_supports_nothing(step):
    assert evaluate(TOO_SMALL, outcomes(failed=(step,))) is None
    assert not holds(outcomes(failed=("logs",)), step="logs", not_contains="x")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"step": "pool", "value": "< 5"}, True),
        ({"step": "pool", "value": "<= 1"}, True),
        ({"step": "pool", "value": ">= 1.5"}, False),
        ({"step": "pool", "value": "!= 1"}, False),
        ({"step": "pool", "value": "== 1"}, True),
        ({"step": "pool", "value": "> -1"}, True),
        ({"step": "pool", "empty": False}, True),
        ({"step": "pool", "empty": True}, False),
        ({"step": "config", "empty": True}, False),
        ({"step": "config", "value": "< 5"}, False),
        ({"step": "config", "key": "DB_POOL_SIZE", "value": "> 5"}, False),
        ({"step": "config", "key": "DB_POOL_SIZE", "equals": "1"}, True),
        ({"step": "config", "key": "DB_POOL_SIZE", "equals": "2"}, False),
        ({"step": "config", "key": "NOTE", "number": False}, True),
        ({"step": "config", "key": "NOTE", "value": "< 5"}, False),
        ({"step": "config", "key": "NOTE", "contains": "quoted"}, True),
        ({"step": "config", "key": "NOTE", "not_contains": "quoted"}, False),
        ({"step": "config", "key": "DB_POOL_SIZE", "number": True}, True),
        ({"step": "config", "key": "ABSENT", "number": False}, False),
        ({"step": "config", "key": "ABSENT", "not_contains": "x"}, False),
        ({"step": "config", "contains": "DB_POOL_SIZE=1"}, True),
        ({"step": "logs", "contains": "deadlock"}, False),
        ({"step": "logs", "not_contains": "deadlock"}, True),
        ({"step": "logs", "not_contains": "exhausted"}, False),
        # The question is not an answer: the name of the service stands in every result.
        ({"step": "logs", "contains": "api-server"}, False),
    ],
)
def test_condition(condition, expected):
    assert holds(outcomes(), **condition) is expected


def test_matrix_is_judged_by_its_newest_value():
    rows = [{"labels": {}, "values": [[1, 99], [2, 3]]}]
    found = outcomes(world(query_metrics={"series": rows}))
    assert holds(found, step="pool", value="< 5")
    assert not holds(found, step="pool", value="> 50")


def test_missing_values_of_a_series_hold_nothing():
    found = outcomes(world(query_metrics={"series": [{"labels": {}, "value": None}]}))
    assert not holds(found, step="pool", value="< 5")


def test_repair_with_an_unknown_value_is_not_proposed():
    finding = TOO_SMALL.model_copy(
        update={
            "propose": (
                {"effect": "service.redeploy", "service": "api-server"},
                {**TOO_SMALL.propose[0], "before": "{config.ABSENT}"},
            )
        }
    )
    diagnosis = evaluate(finding, outcomes())
    assert diagnosis.proposed == ()
    assert diagnosis.missing


def test_value_that_is_no_number_is_its_own_finding():
    keys = {"DB_POOL_SIZE": "twenty"}
    data = {"keys": keys, "text": "DB_POOL_SIZE=twenty\n"}
    diagnosis = evaluate(NOT_A_NUMBER, outcomes(world(read_config_file=data)))
    assert diagnosis.root_cause == "DB_POOL_SIZE is twenty"
