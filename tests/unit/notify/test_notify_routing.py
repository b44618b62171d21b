"""Who is told what: routes, page first, quiet, and that whoever was told also hears the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.delivery import News
from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import ConfigError
from sre_daemon.notify.routing import Audience, Router, routes_for
from sre_daemon.settings import NotifySettings
from tests.support.clock import START
from tests.support.factories import incident

ONE = incident()
HOOK = {"kind": "webhook", "url": "http://127.0.0.1:1/"}


def settings(*names, **values):
    channels = [HOOK | {"name": name} for name in names]
    return NotifySettings.model_validate({"channels": channels} | values)


def router(known, *audiences):
    audiences = audiences or [Audience(channel.name) for channel in known.channels]
    return Router(routes_for(known), audiences, frozenset(known.quiet))


def news(state="", kind=Kind.STATE, reason="", number=1):
    return News(ONE.id, START, kind, "words", state, reason, number)


def told(plan, about=ONE, before=(), *items):
    deliveries = plan.plan(items, {about.id: about}, {about.id: before})
    return [item.channel for item in deliveries]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("severity", list(Severity))
def test_without_routes_everybody_hears_what_needs_a_person(state, severity):
    plan = router(settings("a", "b"))
    about = incident(severity=severity)
    needs = {State.AWAITING_APPROVAL, State.ESCALATED, State.RESOLVED}
    if severity is Severity.CRITICAL:
        needs.add(State.TRIGGERED)  # page first, the analysis follows
    assert told(plan, about, (), news(state)) == (["a", "b"] if state in needs else [])


def test_first_route_that_matches_is_taken():
    routes = [
        {"matchers": ['service="api-server"'], "channels": ["a"]},
        {"channels": ["b"]},
    ]
    plan = router(settings("a", "b", routes=routes))
    assert told(plan, ONE, (), news(State.ESCALATED)) == ["a"]
    other = incident(labels={"service": "shop"})
    assert told(plan, other, (), news(State.ESCALATED)) == ["b"]


def test_route_for_another_state_does_not_match():
    routes = [{"states": ["triggered"], "channels": ["a"]}, {"channels": ["b"]}]
    plan = router(settings("a", "b", routes=routes))
    assert told(plan, ONE, (), news(State.ESCALATED)) == ["b"]


def test_route_that_goes_on_adds_to_the_next():
    routes = [{"channels": ["a"], "continue": True}, {"channels": ["b"]}, {"channels": ["c"]}]
    plan = router(settings("a", "b", "c", routes=routes))
    assert told(plan, ONE, (), news(State.ESCALATED)) == ["a", "b"]


def test_severity_of_the_incident_counts_and_not_a_label_of_that_name():
    routes = [{"matchers": ['severity="critical"'], "channels": ["a"]}]
    plan = router(settings("a", routes=routes))
    lied = incident(severity=Severity.INFO, labels={"severity": "critical"})
    assert told(plan, lied, (), news(State.ESCALATED)) == []


def test_whoever_was_told_hears_that_it_is_over():
    routes = [
        {"states": ["triggered"], "channels": ["a"]},
        {"states": ["resolved"], "channels": ["b"]},
    ]
    plan = router(settings("a", "b", "c", routes=routes))
    assert told(plan, ONE, {"a"}, news(State.RESOLVED)) == ["a", "b"]
    assert told(plan, ONE, (), news(State.TRIGGERED), news(State.RESOLVED, number=2)) == [
        "a",
        "a",
        "b",
    ]


def test_channel_that_keeps_up_hears_more_of_what_it_knows():
    keeping = Audience("a", keeps_up=lambda item: item.kind is Kind.DIAGNOSIS)
    plan = router(settings("a"), keeping)
    assert told(plan, ONE, (), news(kind=Kind.DIAGNOSIS)) == []
    assert told(plan, ONE, {"a"}, news(kind=Kind.DIAGNOSIS)) == ["a"]
    assert told(plan, ONE, {"a"}, news(kind=Kind.STEP)) == []


def test_follower_is_brought_up_to_date_once_for_much_news():
    plan = router(settings("a"), Audience("a", follows=True))
    items = [news(kind=Kind.STEP, number=n) for n in range(3)]
    assert plan.plan(items, {ONE.id: ONE}, {}) == []
    deliveries = plan.plan(items, {ONE.id: ONE}, {ONE.id: {"a"}})
    assert {(item.key, item.follows) for item in deliveries} == {(f"follow:{ONE.id}", True)}


@pytest.mark.parametrize(
    ("severity", "reason", "quiet"),
    [
        (Severity.WARNING, Reason.INCONCLUSIVE, True),
        (Severity.CRITICAL, Reason.INCONCLUSIVE, False),
        (Severity.WARNING, Reason.NOT_PROVEN, False),
    ],
)
def test_inconclusive_is_quiet_unless_critical(severity, reason, quiet):
    about = incident(severity=severity)
    (sent,) = router(settings("a")).plan(
        [news(State.ESCALATED, reason=reason)], {about.id: about}, {}
    )
    assert sent.payload["quiet"] is quiet


def test_second_message_says_that_it_is_not_the_first():
    items = [news(State.TRIGGERED), news(State.ESCALATED, number=2)]
    first, second = router(settings("a")).plan(items, {ONE.id: ONE}, {})
    assert (first.payload["again"], second.payload["again"]) == (False, True)


def test_news_of_an_incident_that_is_gone_is_nothing():
    assert router(settings("a")).plan([news(State.ESCALATED)], {}, {}) == []


@given(
    st.lists(st.tuples(st.sampled_from([*State, ""]), st.sampled_from(list(Kind))), max_size=12),
    st.booleans(),
)
def test_every_message_has_a_key_of_its_own_per_channel(moves, goes_on):
    routes = [
        {"states": list(State), "channels": ["a"], "continue": goes_on},
        {"channels": ["a", "b"]},
    ]
    plan = router(settings("a", "b", routes=routes))
    items = [
        news(
            state
            if kind is Kind.STATE and state
            else (State.ESCALATED if kind is Kind.STATE else ""),
            kind,
            number=n,
        )
        for n, (state, kind) in enumerate(moves)
    ]
    keys = [(item.channel, item.key) for item in plan.plan(items, {ONE.id: ONE}, {})]
    assert len(keys) == len(set(keys))
    # Planned in one go or one by one: the same messages.
    known: dict[str, set[str]] = {ONE.id: set()}
    single = []
    for item in items:
        found = plan.plan([item], {ONE.id: ONE}, known)
        known[ONE.id] |= {d.channel for d in found}
        single += [(d.channel, d.key) for d in found]
    assert single == keys


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"routes": [{"channels": ["nobody"]}]}, "nobody, which is no channel"),
        ({"daemon": ["nobody"]}, "nobody, which is no channel"),
        ({"routes": [{"states": ["broken"]}]}, "states"),
        ({"quiet": ["loud"]}, "quiet"),
    ],
)
def test_mistakes_in_routes_are_found_at_start(values, words):
    with pytest.raises(ValidationError, match=words):
        settings("a", **values)


def test_two_channels_of_one_name_are_refused():
    with pytest.raises(ValidationError, match="two channels are called a"):
        settings("a", "a")


def test_matcher_that_cannot_be_read_names_its_route():
    known = settings("a", routes=[{"channels": ["a"]}, {"matchers": ["oops"], "channels": ["a"]}])
    with pytest.raises(ConfigError, match=r"notify\.routes\.1\.matchers"):
        routes_for(known)


def test_password_over_an_open_line_is_refused():
    channel = {"kind": "email", "host": "mx", "sender": "a@b", "to": ["c@d"], "username": "u"}
    with pytest.raises(ValidationError, match="sent in the open"):
        NotifySettings.model_validate({"channels": [channel | {"security": "none"}]})
