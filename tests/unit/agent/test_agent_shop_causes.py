"""The shop's runbooks tell causes apart, over what the tools said while the real shop was broken.

`tests/fixtures/shop` has a file for each fault of the stack: every step of the runbook engine, as it was
recorded while the fault was there.
"""

import json
from pathlib import Path

import pytest

from sre_daemon.agent.runbook import file as runbook_file
from sre_daemon.agent.runbook.findings import Outcome, evaluate
from stack.faults import FAULTS
from stack.files import HERE

RECORDED = Path(__file__).parents[2] / "fixtures" / "shop"
BOOKS = {book.name: book for book in runbook_file.load([HERE / "runbooks"])}
EXHAUSTED = "api-db-pool-exhausted"
# The fault, and the one finding that must hold.
CAUSES = {
    "pool-size": "pool-too-small",
    "pool-timeout": "timeout-too-short",
    "table-lock": "table-locked",
    "slow-database": "database-slow",
    "password-rotated": "password-rotated",
    "bad-value": "bad-value",
}
OTHERS = {
    "disk-filling": ("api-disk-filling", "kept-too-long"),
    "log-flood": ("api-log-flood", "level-debug"),
}
# Pages whose first look is the same: which of their alerts fires first is chance.
SAME = [
    name for name in BOOKS if BOOKS[name].front.investigate == BOOKS[EXHAUSTED].front.investigate
]


def recorded(fault):
    calls = json.loads((RECORDED / f"{fault}.json").read_text())
    return {json.dumps([call["tool"], call["arguments"]], sort_keys=True): call for call in calls}


def outcomes(fault, book):
    """What each step of the runbook returned while the fault was there."""
    calls, found = recorded(fault), {}
    for step in book.front.investigate:
        call = calls.get(json.dumps([step.tool, step.arguments], sort_keys=True))
        if call is not None:
            found[step.id] = Outcome(
                call["output"]["call"], json.dumps(call["output"]), call["output"]
            )
    return found


def holding(fault, name):
    book = BOOKS[name]
    found = outcomes(fault, book)
    return [finding.id for finding in book.front.findings if evaluate(finding, found) is not None]


def test_every_fault_has_its_cause_and_its_recording():
    assert set(CAUSES) | set(OTHERS) == set(FAULTS)
    assert {file.stem for file in RECORDED.glob("*.json")} == set(FAULTS)


@pytest.mark.parametrize("fault", CAUSES)
@pytest.mark.parametrize("name", SAME)
def test_each_cause_gives_its_own_finding_and_no_other(fault, name):
    assert holding(fault, name) == [CAUSES[fault]]


@pytest.mark.parametrize("fault", CAUSES)
def test_only_what_configuration_cures_is_proposed(fault):
    book = BOOKS[EXHAUSTED]
    (finding,) = [item for item in book.front.findings if item.id == CAUSES[fault]]
    proposed = evaluate(finding, outcomes(fault, book)).proposed
    assert bool(proposed) is FAULTS[fault].repairable


@pytest.mark.parametrize("fault", OTHERS)
def test_other_faults_have_their_own_page_and_finding(fault):
    name, finding = OTHERS[fault]
    assert holding(fault, name) == [finding]
    (found,) = [item for item in BOOKS[name].front.findings if item.id == finding]
    assert evaluate(found, outcomes(fault, BOOKS[name])).proposed


def test_a_password_is_refused_to_a_server_that_starts():
    book = BOOKS["api-down"]
    down = json.loads(json.dumps(outcomes("password-rotated", book)["up"].data))
    down["series"][0]["value"] = 0
    line = "ERROR database not reachable, attempt 3: password authentication failed for user"
    logs = {"call": "c10", "lines": [line]}
    found = outcomes("password-rotated", book) | {
        "up": Outcome("c8", json.dumps(down), down),
        "logs": Outcome("c10", json.dumps(logs), logs),
    }
    # Without a process there are no numbers of it.
    nothing = {"call": "c2", "empty": True, "series": []}
    for step in ("pool", "waiting", "active", "ended", "seconds", "refused"):
        found[step] = Outcome("c2", json.dumps(nothing), nothing)
    held = [finding.id for finding in book.front.findings if evaluate(finding, found) is not None]
    assert held == ["password-refused-at-start"]
