"""Effects: the wire form is read strictly, the inverse undoes exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.domain.effect import (
    ConfigSet,
    EffectInvalid,
    McpCall,
    PostmortemWrite,
    ServiceRedeploy,
    ServiceRestart,
    digest,
    from_json,
    to_json,
)
from sre_daemon.domain.outward import (
    ConfluenceCreate,
    PagerDutyCreate,
    PagerDutyUpdate,
    SilenceCreate,
)

EFFECTS = st.one_of(
    st.builds(ConfigSet, st.text(), st.text(), st.text(), st.text()),
    st.builds(ServiceRestart, st.text()),
    st.builds(ServiceRedeploy, st.text()),
    st.builds(PostmortemWrite, st.text()),
    st.builds(McpCall, st.text(), st.text(), st.text()),
    st.builds(PagerDutyCreate, *[st.text()] * 5),
    st.builds(PagerDutyUpdate, *[st.text()] * 4),
    st.builds(SilenceCreate, *[st.text()] * 3),
    st.builds(ConfluenceCreate, *[st.text()] * 4),
)


@given(EFFECTS)
def test_wire_form_round_trips(effect):
    assert from_json(to_json(effect)) == effect


@given(st.lists(EFFECTS, max_size=4), st.lists(EFFECTS, max_size=4))
def test_digest_names_exactly_these_effects_in_this_order(one, other):
    assert (digest(one) == digest(other)) is (one == other)


@given(st.builds(ConfigSet, st.text(), st.text(), st.text(), st.text()))
def test_inverse_of_the_inverse_is_the_effect(effect):
    assert effect.inverse().inverse() == effect
    assert effect.inverse().target == effect.target


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "service.restart",
        {},
        {"effect": "docker.run", "image": "x"},
        {"effect": ["service.restart"], "service": "a"},
        {"effect": "service.restart"},
        {"effect": "service.restart", "service": "a", "force": "yes"},
        {"effect": "service.restart", "service": 7},
        {"effect": "config.set", "path": "a", "key": "b", "after": "c"},
        {"effect": "config.set", "path": "a", "key": "b", "before": None, "after": "c"},
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(EffectInvalid):
        from_json(data)
