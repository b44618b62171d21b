"""Evidence counts only when its quote is in the recorded output of the call it names."""

import json
from datetime import UTC, datetime

import pytest

from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy
from sre_daemon.domain.run import ToolCall
from sre_daemon.pipeline import evidence, wire

OUTPUT = json.dumps(
    {
        "call": "c1",
        "keys": {"DB_POOL_SIZE": "1", "NOTE": 'line one\nline "two"'},
        "series": [{"labels": {"service": "api"}, "value": 0.25}],
    }
)


def call(name="c1", tool="query_metrics", output=OUTPUT, **arguments):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return ToolCall("r1", name, tool, arguments, output, is_error=False, seconds=0.1, at=at)


def check(*items, calls=(), cause="cause", recompute=True, proposed=()):
    known = {item.call: item for item in calls or [call()]}
    diagnosis = Diagnosis(True, cause, 0.9, evidence=items, proposed=proposed)
    return evidence.check(diagnosis, known, recompute=recompute)


@pytest.mark.parametrize(
    "quote",
    [
        '"DB_POOL_SIZE": "1"',
        "DB_POOL_SIZE=1",
        "DB_POOL_SIZE: 1",
        'line "two"',
        "line one line",
        "value: 0.25",
    ],
)
def test_quote_in_the_output_is_found(quote):
    assert check(Evidence("claim", "c1", quote)).supported


@pytest.mark.parametrize(
    ("name", "quote", "problem"),
    [
        ("c1", "DB_POOL_SIZE=2", "not in the result"),
        ("c2", "DB_POOL_SIZE=1", "no successful call c2"),
        ("", "DB_POOL_SIZE=1", "no successful call"),
        ("c1", "", "too short"),
        ("c1", '  "": ', "too short"),
        ("c1", "al", "too short"),
        # The beginning of a longer number is another number.
        ("c1", "value: 0.2", "not in the result"),
        ("c1", ".25", "too short"),
        ("c1", "5, 6", "too short"),
    ],
)
def test_anything_else_is_marked_with_the_reason(name, quote, problem):
    (item,) = check(Evidence("claim", name, quote)).evidence
    assert not item.supported
    assert problem in item.problem


@pytest.mark.parametrize("tool", ["execute_runbook", "list_metrics"])
def test_what_only_describes_is_no_evidence(tool):
    item = Evidence("claim", "c1", "DB_POOL_SIZE=1")
    assert not check(item, calls=[call(tool=tool)]).supported


def test_one_unsupported_piece_spoils_the_diagnosis():
    items = (Evidence("a", "c1", "DB_POOL_SIZE=1"), Evidence("b", "c1", "made up"))
    diagnosis = check(*items)
    assert [item.supported for item in diagnosis.evidence] == [True, False]
    assert not diagnosis.supported


def test_no_evidence_is_not_supported():
    assert not check().supported


def test_an_agents_own_word_about_support_is_ignored():
    assert not check(Evidence("a", "c1", "made up", supported=True)).supported


def test_claim_with_a_number_that_was_not_returned_is_marked():
    (item,) = check(Evidence("the pool has 20 connections", "c1", "DB_POOL_SIZE=1")).evidence
    assert not item.supported
    assert item.problem == "the result of c1 does not bear out 20"


def test_numbers_of_a_runbook_are_its_authors():
    item = Evidence("the traffic needs 40", "c1", "DB_POOL_SIZE=1")
    assert check(item, recompute=False, cause="needs 40").supported


@pytest.mark.parametrize(
    ("cause", "unshown"),
    [
        ("DB_POOL_SIZE is 1; p99 and 5xx follow", []),
        ("DB_POOL_SIZE is 1 and should be 20", []),
        ("DB_POOL_SIZE is 1, which loses 37 % of the requests", ["37"]),
    ],
)
def test_root_cause_says_no_more_than_its_evidence(cause, unshown):
    proposed = (ConfigSet("config/a.env", "DB_POOL_SIZE", "1", "20"),)
    item = Evidence("the size is 1", "c1", "DB_POOL_SIZE=1")
    diagnosis = check(item, cause=cause, proposed=proposed)
    assert [text.split()[4].rstrip(",") for text in diagnosis.unshown] == unshown
    assert diagnosis.supported is not bool(unshown)


def test_number_that_only_unsupported_evidence_shows_is_unshown():
    made_up = Evidence("the size is 37", "c1", "DB_POOL_SIZE=37")
    assert check(made_up, cause="the size is 37").unshown


def test_diagnosis_survives_storage():
    diagnosis = Diagnosis(
        True,
        "cause",
        0.75,
        evidence=(Evidence("a", "c1", "q", supported=False, problem="no"),),
        contributing_factors=("f",),
        affected_services=("api",),
        ruled_out=("r",),
        missing=("m",),
        proposed=(ConfigSet("config/a", "K", "1", "2"), ServiceRedeploy("api")),
        unshown=("u",),
    )
    stored = json.loads(json.dumps(wire.diagnosis_to_json(diagnosis)))
    assert wire.diagnosis_from_json(stored) == diagnosis
    assert wire.diagnosis_from_json(None) is None
