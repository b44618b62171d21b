import pytest

from sre_daemon.agent import schema
from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy
from sre_daemon.errors import AgentOutputInvalid

GOOD = {
    "conclusive": True,
    "root_cause": "the pool is too small",
    "confidence": 0.9,
    "evidence": [{"claim": "it is 1", "call": "c3", "quote": "DB_POOL_SIZE=1"}],
    "affected_services": ["api-server"],
    "proposed": [
        {
            "effect": "config.set",
            "path": "config/api-server.env",
            "key": "DB_POOL_SIZE",
            "before": "1",
            "after": "20",
        },
        {"effect": "service.redeploy", "service": "api-server"},
    ],
}
EFFECT = GOOD["proposed"][0]


def test_good_answer_becomes_a_diagnosis():
    diagnosis = schema.diagnosis(GOOD)
    assert diagnosis.conclusive
    assert diagnosis.confidence == 0.9
    assert diagnosis.evidence[0].call == "c3"
    assert diagnosis.proposed == (
        ConfigSet("config/api-server.env", "DB_POOL_SIZE", "1", "20"),
        ServiceRedeploy("api-server"),
    )


def test_evidence_is_never_supported_by_the_answer_itself():
    assert not schema.diagnosis(GOOD).supported
    claimed = {**GOOD["evidence"][0], "supported": True}
    with pytest.raises(AgentOutputInvalid, match="supported"):
        schema.diagnosis({**GOOD, "evidence": [claimed]})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"confidence": 1.5}, "confidence"),
        ({"confidence": -0.1}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"confidence": "0.9"}, "confidence"),
        ({"conclusive": "yes"}, "conclusive"),
        ({"root_cause": "  "}, "root_cause"),
        ({"root_cause": None}, "root_cause"),
        ({"evidence": [{"claim": "x", "call": "c1"}]}, "evidence.0.quote"),
        ({"evidence": [{"claim": "x", "call": "c1", "quote": ""}]}, "evidence.0.quote"),
        ({"extra": 1}, "extra"),
        ({"proposed": [{"effect": "shell.run", "command": "rm"}]}, "proposed.0"),
        ({"proposed": [{"effect": "postmortem.write", "title": "x"}]}, "proposed.0"),
        ({"proposed": [{**EFFECT, "after": 20}]}, "proposed.0.config.set.after"),
        ({"proposed": [{**EFFECT, "mode": "x"}]}, "proposed.0.config.set.mode"),
        ({"proposed": None}, "proposed"),
    ],
)
def test_wrong_field_makes_the_answer_invalid_and_is_named(change, named):
    with pytest.raises(AgentOutputInvalid, match=named):
        schema.diagnosis({**GOOD, **change})


@pytest.mark.parametrize("answer", [None, "text", [], 1, {}])
def test_anything_else_is_no_diagnosis(answer):
    with pytest.raises(AgentOutputInvalid):
        schema.diagnosis(answer)


def test_inconclusive_answer_needs_no_cause():
    answer = {
        "conclusive": False,
        "root_cause": "",
        "confidence": 0,
        "evidence": [],
        "missing": ["logs"],
        "proposed": [],
    }
    assert schema.diagnosis(answer).missing == ("logs",)


def test_sentences_are_cleaned_and_quotes_are_not():
    answer = {
        **GOOD,
        "root_cause": "a\u202eb",
        "evidence": [{"claim": "a\u200bb", "call": "c1", "quote": "a\u200bb"}],
    }
    diagnosis = schema.diagnosis(answer)
    assert diagnosis.root_cause == "ab"
    assert (diagnosis.evidence[0].claim, diagnosis.evidence[0].quote) == ("ab", "a\u200bb")


def test_json_schema_is_closed_and_offers_only_the_three_effects():
    form = schema.json_schema()
    assert form["additionalProperties"] is False
    kinds = {
        part["properties"]["effect"]["const"]
        for part in form["$defs"].values()
        if "effect" in part["properties"]
    }
    assert kinds == {"config.set", "service.restart", "service.redeploy"}
    assert "discriminator" not in str(form)
