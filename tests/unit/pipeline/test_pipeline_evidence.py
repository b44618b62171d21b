"""Evidence counts only when its quote is in the recorded output of the call it names."""

import json

import pytest

from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy
from sre_daemon.pipeline import evidence, wire

OUTPUT = json.dumps(
    {
        "call": "c1",
        "keys": {"DB_POOL_SIZE": "1", "NOTE": 'line one\nline "two"'},
        "series": [{"labels": {"service": "api"}, "value": 0.25}],
    }
)


def checked(call, quote, outputs):
    item = Evidence("claim", call, quote)
    diagnosis = Diagnosis(True, "cause", 0.9, evidence=(item,))
    return evidence.check(diagnosis, outputs).supported


@pytest.mark.parametrize(
    "quote",
    [
        '"DB_POOL_SIZE": "1"',
        "DB_POOL_SIZE=1",
        "DB_POOL_SIZE: 1",
        "db_pool_size = 1".replace(" ", ""),
        'line "two"',
        "line one line",
        "value: 0.25",
    ],
)
def test_quote_in_the_output_is_found(quote):
    assert checked("c1", quote, {"c1": OUTPUT})


@pytest.mark.parametrize(
    ("call", "quote"),
    [("c1", "DB_POOL_SIZE=2"), ("c2", "DB_POOL_SIZE=1"), ("c1", ""), ("c1", "   "), ("", "1")],
)
def test_anything_else_is_not_supported(call, quote):
    assert not checked(call, quote, {"c1": OUTPUT})


def test_one_unsupported_piece_spoils_the_diagnosis():
    items = (Evidence("a", "c1", "DB_POOL_SIZE=1"), Evidence("b", "c1", "made up"))
    diagnosis = evidence.check(Diagnosis(True, "x", 1.0, evidence=items), {"c1": OUTPUT})
    assert [item.supported for item in diagnosis.evidence] == [True, False]
    assert not diagnosis.supported


def test_no_evidence_is_not_supported():
    assert not evidence.check(Diagnosis(True, "x", 1.0), {}).supported


def test_an_agents_own_word_about_support_is_ignored():
    lying = Evidence("a", "c1", "made up", supported=True)
    assert not evidence.check(
        Diagnosis(True, "x", 1.0, evidence=(lying,)), {"c1": OUTPUT}
    ).supported


def test_diagnosis_survives_storage():
    diagnosis = Diagnosis(
        True,
        "cause",
        0.75,
        evidence=(Evidence("a", "c1", "q", supported=True),),
        contributing_factors=("f",),
        affected_services=("api",),
        ruled_out=("r",),
        missing=("m",),
        proposed=(ConfigSet("config/a", "K", "1", "2"), ServiceRedeploy("api")),
    )
    stored = json.loads(json.dumps(wire.diagnosis_to_json(diagnosis)))
    assert wire.diagnosis_from_json(stored) == diagnosis
    assert wire.diagnosis_from_json(None) is None
