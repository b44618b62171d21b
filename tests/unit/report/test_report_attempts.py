"""What became of attempts: from effects and incidents only."""

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.policy.file import parse
from sre_daemon.report.attempts import Ending, attempts
from sre_daemon.report.rules import rules
from tests.support.clock import START
from tests.support.factories import REDEPLOY, SET_POOL, incident

POLICY = """\
version: 1
mode: act
policies:
  - name: pool
    matchers: ['alertname="ApiDbPoolExhausted"']
    autonomy: auto
    allow:
      - effect: config.set
        path: config/api-server.env
        key: DB_POOL_SIZE
        value: {type: integer, min: 5, max: 100}
      - {effect: service.redeploy, service: api-server}
  - name: other
    matchers: ['alertname="Other"']
    allow: [{effect: postmortem.write}]
"""


def effect(attempt=1, direction=Direction.FORWARD, position=0, begun=True, what=SET_POOL):
    return EffectRecord(
        id=position,
        incident_id="01incident0001",
        attempt=attempt,
        direction=direction,
        position=position,
        effect=what,
        policy="pool",
        state=EffectState.APPLIED,
        intended_at=START if begun else None,
    )


@pytest.mark.parametrize(
    ("state", "data", "taken_back", "ending"),
    [
        (State.CLOSED, {"resolution": "proven"}, False, Ending.PROVEN),
        (State.CLOSED, {"resolution": "cleared"}, False, Ending.NOT_PROVEN),
        (State.ESCALATED, {}, True, Ending.TAKEN_BACK),
        (State.ESCALATED, {}, False, Ending.NOT_PROVEN),
        (State.VERIFYING, {}, False, Ending.RUNNING),
    ],
)
def test_ending_of_an_attempt(state, data, taken_back, ending):
    one = incident(state, attempt=1, data=data)
    effects = [effect(), effect(position=1, what=REDEPLOY)]
    if taken_back:
        effects.append(effect(direction=Direction.ROLLBACK))
    (found,) = attempts(effects, {one.id: one})
    assert (found.ending, found.policy, found.at) == (ending, "pool", START)


def test_proof_belongs_to_the_last_attempt_only():
    one = incident(State.CLOSED, attempt=2, data={"resolution": "proven"})
    first, second = attempts([effect(1), effect(2)], {one.id: one})
    assert (first.ending, second.ending) == (Ending.NOT_PROVEN, Ending.PROVEN)


def test_what_was_never_begun_is_no_attempt():
    assert attempts([effect(begun=False)], {"01incident0001": incident()}) == []
    assert attempts([effect()], {}) == []


def test_rules_show_what_they_allow_and_how_they_fared():
    one = incident(State.CLOSED, attempt=1, data={"resolution": "proven"})
    tried = attempts([effect()], {one.id: one})
    first, second = rules(parse(POLICY), {}, tried, START)
    assert first["allows"] == [
        "set DB_POOL_SIZE in config/api-server.env: integer 5 to 100",
        "redeploy api-server",
    ]
    assert (first["level"], first["attempts"]) == ("auto", 1)
    assert first["endings"]["proven"] == 1
    assert first["recent"][0]["id"] == one.id
    assert (second["level"], second["attempts"], second["allows"]) == (
        "ask",
        0,
        ["postmortem.write"],
    )
    assert rules(None, {}, tried, START) == []
