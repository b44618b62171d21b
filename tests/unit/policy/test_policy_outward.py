"""What a policy lets reach people: one service, one space, and never a page without a person."""

import json
from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from sre_daemon.domain.effect import ServiceRestart
from sre_daemon.domain.outward import (
    ConfluenceCreate,
    PagerDutyCreate,
    PagerDutyUpdate,
    SilenceCreate,
)
from sre_daemon.domain.verdict import Decision, Reason
from sre_daemon.policy.allow import Allow
from sre_daemon.policy.decide import decide, decide_effect
from sre_daemon.policy.file import parse
from sre_daemon.policy.question import Question
from tests.support.clock import START
from tests.support.factories import LABELS, diagnosis

OPEN = PagerDutyCreate("PSHOP", "t", "d", "high", "k")
NOTE = PagerDutyUpdate("PSHOP", "Q1", "acknowledged", "looking")
DONE = PagerDutyUpdate("PSHOP", "Q1", "resolved", "set to 20")
PAGE = ConfluenceCreate("SRE", "77", "Post-Mortem: t", "{}")
QUIET = SilenceCreate(json.dumps(dict(sorted(LABELS.items())), separators=(",", ":")), "60", "ann")
POLICY = """
version: 1
mode: act
policies:
  - name: people
    matchers: ['alertname="ApiDbPoolExhausted"']
    autonomy: auto
    allow:
      - {effect: pagerduty.create, service: PSHOP, urgency: [high]}
      - {effect: pagerduty.update, service: PSHOP, status: [acknowledged, resolved]}
      - {effect: confluence.create, space: SRE, parent: '77'}
      - {effect: silence.create, max_minutes: 60}
"""


def allow(**entry):
    return TypeAdapter(Allow).validate_python(entry)


def test_an_incident_is_opened_on_the_named_service_with_a_listed_urgency():
    entry = allow(effect="pagerduty.create", service="PSHOP", urgency=["high"])
    assert entry.allows(OPEN)
    assert entry.covers(replace(OPEN, urgency="low"))
    assert not entry.allows(replace(OPEN, urgency="low"))
    assert not entry.covers(replace(OPEN, service="POTHER"))
    assert not entry.covers(NOTE)


def test_a_status_is_given_to_incidents_of_the_named_service_and_resolved_only_with_a_note():
    entry = allow(effect="pagerduty.update", service="PSHOP", status=["resolved"])
    assert entry.allows(DONE)
    assert not entry.allows(replace(DONE, note=" "))
    assert not entry.allows(NOTE)
    assert not entry.covers(replace(DONE, service=""))
    assert not entry.covers(OPEN)


def test_a_page_is_made_in_the_named_space_below_the_named_page():
    entry = allow(effect="confluence.create", space="SRE", parent="77")
    assert entry.allows(PAGE)
    assert not entry.covers(replace(PAGE, parent=""))
    assert not entry.covers(replace(PAGE, space="HR"))
    assert not entry.covers(ServiceRestart("a"))


@pytest.mark.parametrize(
    "entry",
    [
        {"effect": "pagerduty.create", "service": "PSHOP"},
        {"effect": "pagerduty.create", "service": "PSHOP", "urgency": []},
        {"effect": "pagerduty.create", "service": "*", "urgency": ["high"]},
        {"effect": "pagerduty.create", "service": "PSHOP", "urgency": ["highest"]},
        {"effect": "pagerduty.update", "service": "PSHOP", "status": ["triggered"]},
        {"effect": "pagerduty.update", "service": "PSHOP"},
        {"effect": "confluence.create"},
        {"effect": "confluence.create", "space": "a b"},
        {"effect": "confluence.create", "space": "SRE", "parent": "*"},
        {"effect": "pagerduty.delete", "service": "PSHOP"},
    ],
)
def test_an_entry_that_leaves_something_open_is_refused(entry):
    with pytest.raises(ValidationError):
        allow(**entry)


def silence(**labels):
    """A silence of the alert with other labels; None leaves one out."""
    changed = {k: v for k, v in sorted((LABELS | labels).items()) if v is not None}
    return replace(QUIET, matchers=json.dumps(changed, separators=(",", ":")))


def question(*effects):
    return Question(
        alerts=(LABELS,),
        effects=effects,
        at=START,
        incident_id="i",
        attempt=0,
        diagnosis=diagnosis(*effects),
    )


@pytest.mark.parametrize(
    ("effects", "decision", "reason"),
    [
        ((OPEN,), Decision.ALLOW, Reason.ALLOWED),
        ((NOTE, DONE), Decision.ALLOW, Reason.ALLOWED),
        ((QUIET,), Decision.ALLOW, Reason.ALLOWED),
        ((replace(QUIET, minutes="61"),), Decision.DENY, Reason.VALUE_OUT_OF_BOUNDS),
        ((replace(QUIET, minutes="060"),), Decision.DENY, Reason.VALUE_OUT_OF_BOUNDS),
        ((replace(QUIET, minutes="-5"),), Decision.DENY, Reason.VALUE_OUT_OF_BOUNDS),
        ((silence(alertname=None),), Decision.DENY, Reason.VALUE_OUT_OF_BOUNDS),
        ((silence(severity=None),), Decision.DENY, Reason.VALUE_OUT_OF_BOUNDS),
        ((silence(service="other"),), Decision.DENY, Reason.VALUE_OUT_OF_BOUNDS),
        ((silence(pod="a"),), Decision.ALLOW, Reason.ALLOWED),
        (
            (replace(QUIET, matchers=" " + QUIET.matchers),),
            Decision.DENY,
            Reason.VALUE_OUT_OF_BOUNDS,
        ),
        ((replace(QUIET, matchers="[]"),), Decision.DENY, Reason.VALUE_OUT_OF_BOUNDS),
        ((PAGE,), Decision.ASK, Reason.AUTONOMY),
        ((NOTE, PAGE), Decision.ASK, Reason.AUTONOMY),
        ((replace(OPEN, urgency="low"),), Decision.DENY, Reason.VALUE_OUT_OF_BOUNDS),
        ((replace(PAGE, space="HR"),), Decision.DENY, Reason.EFFECT_NOT_ALLOWED),
    ],
)
def test_auto_acts_alone_towards_people_but_never_publishes_a_page(effects, decision, reason):
    policy = parse(POLICY, "policy.yaml")
    verdict = decide(policy, question(*effects))
    assert (verdict.decision, verdict.reason) == (decision, reason), verdict.message


def test_the_gate_publishes_a_page_when_a_person_agreed_and_not_before():
    policy = parse(POLICY, "policy.yaml")
    asked = question(PAGE)
    refused = decide_effect(policy, asked, PAGE)
    assert not refused.allowed
    assert "confluence.create is for a person to confirm" in refused.message
    assert decide_effect(policy, replace(asked, approved=True), PAGE).allowed
