"""The decision: one case for each reason, the trail, and what holds for any question."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.effect import ConfigSet, PostmortemWrite, ServiceRedeploy, ServiceRestart
from sre_daemon.domain.verdict import Decision, Reason
from sre_daemon.policy.decide import Question, decide, decide_effect, match
from sre_daemon.policy.explain import explain
from sre_daemon.policy.file import parse
from sre_daemon.store.base import Acted
from tests.support.clock import START
from tests.support.factories import LABELS, REDEPLOY, REPAIR, SET_POOL, diagnosis

TEXT = """\
version: 1
mode: act
policies:
  - name: drill
    matchers: ['alertname="ApiDbPoolExhausted"', 'env=~"test|drill"']
    autonomy: auto
    allow: [{effect: postmortem.write}]
  - name: pool
    matchers: ['alertname="ApiDbPoolExhausted"', 'severity="critical"']
    autonomy: auto
    allow:
      - effect: config.set
        path: config/api-server.env
        key: DB_POOL_SIZE
        value: {type: integer, min: 5, max: 100}
      - {effect: service.redeploy, service: api-server}
    require: {min_confidence: 0.7}
    limits: {attempts_per_incident: 2, per_hour: 3, cooldown: 15m, concurrent: 1}
  - name: wider
    matchers: ['alertname="ApiDbPoolExhausted"']
    autonomy: auto
    allow: [{effect: service.restart, service: api-server}]
"""
POLICY = parse(TEXT)
WATCHED = {"alertname", "severity", "env"}
TOO_MANY = replace(SET_POOL, after="101")


def question(**values):
    return replace(
        Question(
            alerts=(LABELS,),
            effects=REPAIR,
            at=START,
            incident_id="mine",
            diagnosis=diagnosis(*REPAIR),
        ),
        **values,
    )


def begun(ago, *, policy="pool", incident_id="other", active=False, targets=("x",)):
    return Acted(incident_id, policy, targets, START - ago, active)


def with_mode(mode):
    return parse(TEXT.replace("mode: act", f"mode: {mode}"))


def test_a_covered_repair_is_allowed_by_name():
    verdict = decide(POLICY, question())
    assert verdict.allowed
    assert (verdict.decision, verdict.reason) == (Decision.ALLOW, Reason.ALLOWED)
    assert verdict.policy == "pool"
    assert verdict.message == (
        "pool allows set DB_POOL_SIZE in config/api-server.env from '1' to '20'; "
        "redeploy api-server"
    )


HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
REFUSALS = [
    (question(alerts=({"alertname": "Other"},)), Reason.NO_POLICY, "", "No policy matches"),
    (question(alerts=()), Reason.NO_POLICY, "", "No policy matches"),
    (question(paused=True), Reason.PAUSED, "pool", "`sre-daemon resume` lifts it"),
    (
        question(diagnosis=diagnosis(conclusive=False)),
        Reason.INCONCLUSIVE,
        "pool",
        "found no cause",
    ),
    (
        question(diagnosis=diagnosis(confidence=0.69)),
        Reason.LOW_CONFIDENCE,
        "pool",
        "confidence 0.69 is below the required 0.70",
    ),
    (
        question(diagnosis=diagnosis(confidence=float("nan"))),
        Reason.LOW_CONFIDENCE,
        "pool",
        "confidence nan is below",
    ),
    (
        question(diagnosis=diagnosis(supported=False)),
        Reason.UNSUPPORTED_EVIDENCE,
        "pool",
        "not found in the recorded tool output",
    ),
    (
        question(diagnosis=replace(diagnosis(), evidence=())),
        Reason.UNSUPPORTED_EVIDENCE,
        "pool",
        "Evidence is missing",
    ),
    (question(effects=()), Reason.NO_EFFECTS, "pool", "proposes no effect"),
    (
        question(effects=(*REPAIR, ServiceRestart("api-server"))),
        Reason.EFFECT_NOT_ALLOWED,
        "pool",
        "pool does not allow: restart api-server",
    ),
    (
        question(effects=(REDEPLOY, TOO_MANY)),
        Reason.VALUE_OUT_OF_BOUNDS,
        "pool",
        "pool does not allow this value: set DB_POOL_SIZE in config/api-server.env",
    ),
    (question(attempt=2), Reason.ATTEMPTS_SPENT, "pool", "2 of 2 attempts were made"),
    (
        question(acted=[begun(n * 16 * MINUTE) for n in (1, 2, 3)]),
        Reason.RATE_LIMITED,
        "pool",
        "pool acted 3 times in the last hour; the limit is 3",
    ),
    (
        question(acted=[begun(14 * MINUTE)]),
        Reason.COOLING_DOWN,
        "pool",
        "pool acted 840 s ago; its cool-down is 900 s",
    ),
    (
        question(acted=[begun(HOUR, active=True)]),
        Reason.CONCURRENCY,
        "pool",
        "1 of 1 repairs under pool are under way",
    ),
    (
        question(acted=[begun(2 * HOUR, policy="wider", active=True, targets=(REDEPLOY.target,))]),
        Reason.CONCURRENCY,
        "pool",
        "another incident is being repaired on service:api-server",
    ),
]


@pytest.mark.parametrize(("asked", "reason", "policy", "message"), REFUSALS)
def test_each_reason_has_its_case(asked, reason, policy, message):
    verdict = decide(POLICY, asked)
    assert (verdict.decision, verdict.reason, verdict.policy) == (Decision.DENY, reason, policy)
    assert message in verdict.message
    assert not verdict.allowed
    assert verdict.trail[-1] == f"deny: {verdict.message}"


@pytest.mark.parametrize(
    ("mode", "decision"), [("observe", Decision.SHADOW), ("suggest", Decision.ASK)]
)
def test_a_mode_below_act_lowers_what_would_be_allowed(mode, decision):
    verdict = decide(with_mode(mode), question())
    assert (verdict.decision, verdict.reason) == (decision, Reason.MODE_CEILING)
    assert (verdict.policy, mode in verdict.message) == ("pool", True)
    assert not verdict.allowed
    one = decide_effect(with_mode(mode), question(), SET_POOL)
    assert (one.decision, one.reason) == (decision, Reason.MODE_CEILING)


def test_without_a_policy_everything_is_denied():
    for policy in (None, parse("version: 1\nmode: act")):
        verdict = decide(policy, question())
        assert (verdict.decision, verdict.reason) == (Decision.DENY, Reason.NO_POLICY)
        assert not decide_effect(policy, question(), SET_POOL).allowed


GUARDED = parse(TEXT.replace("    require: {min", "    guards: ['up == 1']\n    require: {min"))
MACHINE = parse(TEXT.replace("    require: {min", "    deterministic: true\n    require: {min"))
NIGHTS = """\
time_intervals:
  - name: nights
    time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]
policies:
"""
LEVELS = [
    (POLICY, {}, Decision.ALLOW, Reason.ALLOWED),
    (parse(TEXT.replace("autonomy: auto", "autonomy: ask")), {}, Decision.ASK, Reason.AUTONOMY),
    (parse(TEXT.replace("    autonomy: auto\n", "")), {}, Decision.ASK, Reason.AUTONOMY),
    (
        parse(TEXT.replace("autonomy: auto", "autonomy: shadow")),
        {},
        Decision.SHADOW,
        Reason.AUTONOMY,
    ),
    (POLICY, {"earned": {"pool": Autonomy.ASK}}, Decision.ASK, Reason.DEMOTED),
    (POLICY, {"earned": {"pool": Autonomy.SHADOW}}, Decision.SHADOW, Reason.DEMOTED),
    (POLICY, {"earned": {"wider": Autonomy.SHADOW}}, Decision.ALLOW, Reason.ALLOWED),
]


@pytest.mark.parametrize(("policy", "values", "decision", "reason"), LEVELS)
def test_the_level_of_autonomy_says_which_yes_it_is(policy, values, decision, reason):
    for verdict in (
        decide(policy, question(**values)),
        decide_effect(policy, question(**values), SET_POOL),
    ):
        assert (verdict.decision, verdict.reason) == (decision, reason)
        assert verdict.allowed is (decision is Decision.ALLOW)
        assert "set DB_POOL_SIZE" in verdict.message


def test_a_no_stays_a_no_at_every_level():
    for policy, values, _, _ in LEVELS:
        verdict = decide(policy, question(**values, paused=True))
        assert (verdict.decision, verdict.reason) == (Decision.DENY, Reason.PAUSED)


def test_a_person_turns_ask_into_allow_and_lifts_nothing_else():
    ask = parse(TEXT.replace("autonomy: auto", "autonomy: ask"))
    for policy in (ask, with_mode("suggest"), POLICY):
        assert decide(policy, question(approved=True)).allowed
        assert not decide(policy, question(approved=True, attempt=2)).allowed
    shadow = parse(TEXT.replace("autonomy: auto", "autonomy: shadow"))
    for policy in (shadow, with_mode("observe")):
        assert decide(policy, question(approved=True)).decision is Decision.SHADOW


def test_what_was_earned_is_never_more_than_the_file_promises():
    ask = TEXT.replace("autonomy: auto", "autonomy: ask")
    earned = {"earned": {"pool": Autonomy.AUTO}}
    assert decide(parse(ask), question(**earned)).decision is Decision.ASK
    promised = ask.replace(
        "    require: {min", "    promotion: {to: auto, after: 3}\n    require: {min"
    )
    assert decide(parse(promised), question(**earned)).allowed
    assert decide(parse(promised), question()).decision is Decision.ASK


def test_outside_its_times_auto_becomes_ask_and_nothing_else_changes():
    nights = TEXT.replace("policies:\n", NIGHTS).replace(
        "    require: {min", "    active_time_intervals: [nights]\n    require: {min"
    )
    night, day = START.replace(hour=5, minute=59), START.replace(hour=6)
    assert decide(parse(nights), question(at=night)).allowed
    verdict = decide(parse(nights), question(at=day))
    assert (verdict.decision, verdict.reason) == (Decision.ASK, Reason.OUTSIDE_WINDOW)
    assert "nights" in verdict.message
    shadow = parse(nights.replace("autonomy: auto", "autonomy: shadow"))
    assert {decide(shadow, question(at=at)).decision for at in (night, day)} == {Decision.SHADOW}


@pytest.mark.parametrize(
    ("guards", "reason"),
    [
        ({"up == 1": True}, Reason.ALLOWED),
        ({"up == 1": False}, Reason.GUARD_FAILED),
        ({"up == 1": None}, Reason.NO_DATA),
        ({"up == 2": True}, Reason.NO_DATA),
        ({}, Reason.NO_DATA),
    ],
)
def test_an_effect_needs_every_guard_of_this_moment(guards, reason):
    verdict = decide_effect(GUARDED, question(guards=guards), SET_POOL)
    assert verdict.reason is reason
    assert verdict.allowed is (reason is Reason.ALLOWED)


def test_before_the_repair_guards_count_only_where_they_were_evaluated():
    assert decide(GUARDED, question()).allowed
    assert decide(GUARDED, question(guards={"up == 1": False})).reason is Reason.GUARD_FAILED


def test_a_deterministic_policy_wants_the_runbook_engine():
    assert decide(MACHINE, question(engine="runbook")).allowed
    for engine in ("claude", ""):
        verdict = decide(MACHINE, question(engine=engine))
        assert (verdict.decision, verdict.reason) == (Decision.DENY, Reason.NOT_DETERMINISTIC)
    assert decide(POLICY, question(engine="claude")).allowed


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"acted": [begun(MINUTE, policy="wider", targets=(SET_POOL.target,))]}, "target_cooling"),
        ({"acted": [begun(HOUR, policy="wider", active=True, targets=("y",))] * 3}, "blast_radius"),
        ({"acted": [begun(MINUTE, policy="wider")] * 20}, "changes_spent"),
        ({"opened": [START - MINUTE] * 25}, "storm_cooldown"),
    ],
)
def test_what_all_policies_do_together_is_limited(values, reason):
    for verdict in (
        decide(POLICY, question(**values)),
        decide_effect(POLICY, question(**values), SET_POOL),
    ):
        assert (verdict.decision, verdict.reason) == (Decision.DENY, reason)


def test_the_reasons_are_looked_at_in_their_order():
    """Everything is wrong at once; each line mends what was named before."""
    asked = question(
        alerts=({"alertname": "Other"},),
        paused=True,
        diagnosis=diagnosis(conclusive=False, confidence=0.1, supported=False),
        effects=(),
        attempt=2,
        acted=[begun(MINUTE, active=True), begun(MINUTE), begun(MINUTE)],
    )
    mending = [
        (Reason.NO_POLICY, {"alerts": (LABELS,)}),
        (Reason.PAUSED, {"paused": False}),
        (Reason.INCONCLUSIVE, {"diagnosis": diagnosis(confidence=0.1, supported=False)}),
        (Reason.LOW_CONFIDENCE, {"diagnosis": diagnosis(supported=False)}),
        (Reason.UNSUPPORTED_EVIDENCE, {"diagnosis": diagnosis()}),
        (Reason.NO_EFFECTS, {"effects": (TOO_MANY,)}),
        (Reason.VALUE_OUT_OF_BOUNDS, {"effects": REPAIR}),
        (Reason.ATTEMPTS_SPENT, {"attempt": 1}),
        (Reason.CONCURRENCY, {"acted": [begun(MINUTE)] * 3}),
        (Reason.RATE_LIMITED, {"acted": [begun(MINUTE)]}),
        (Reason.COOLING_DOWN, {"acted": []}),
    ]
    for reason, mended in mending:
        assert decide(POLICY, asked).reason is reason
        asked = replace(asked, **mended)
    assert decide(POLICY, asked).allowed
    assert decide(with_mode("suggest"), asked).reason is Reason.MODE_CEILING
    paused = replace(asked, paused=True)
    assert decide(with_mode("suggest"), paused).reason is Reason.PAUSED


def test_the_first_policy_that_matches_decides_alone():
    drill = LABELS | {"env": "drill"}
    assert match(POLICY, drill).name == "drill"
    verdict = decide(POLICY, question(alerts=(drill,)))
    assert (verdict.reason, verdict.policy) == (Reason.EFFECT_NOT_ALLOWED, "drill")
    assert match(POLICY, LABELS | {"severity": "warning"}).name == "wider"
    assert match(POLICY, {"alertname": "Other"}) is None
    assert match(None, LABELS) is None


def test_the_strictest_policy_decides_whichever_alert_it_matches():
    drill = LABELS | {"env": "drill"}
    for alerts in ((LABELS, drill), (drill, LABELS)):
        assert decide(POLICY, question(alerts=alerts)).policy == "drill"


def test_confidence_at_the_required_value_is_enough():
    assert decide(POLICY, question(diagnosis=diagnosis(confidence=0.7))).allowed


def test_evidence_that_is_not_required_still_does_not_act_alone():
    lenient = parse(TEXT.replace("{min_confidence: 0.7}", "{evidence: false}"))
    verdict = decide(lenient, question(diagnosis=diagnosis(supported=False)))
    assert (verdict.decision, verdict.reason) == (Decision.ASK, Reason.UNSUPPORTED_EVIDENCE)
    agreed = question(diagnosis=diagnosis(supported=False), approved=True)
    assert decide(lenient, agreed).allowed
    assert decide(lenient, question(diagnosis=diagnosis(supported=True))).allowed


def test_the_trail_tells_every_policy_that_was_looked_at():
    policy, *within, last = decide(POLICY, question()).trail[3:]
    assert decide(POLICY, question()).trail[:3] == (
        "mode act",
        "policy drill",
        '  env=~"test|drill" does not match alert ApiDbPoolExhausted',
    )
    assert (policy, last) == ("policy pool", "allow")
    assert [line.removeprefix("  ") for line in within] == [
        "matches alert ApiDbPoolExhausted",
        "autonomy auto",
        "the daemon is not paused",
        "the diagnosis is conclusive",
        "confidence 0.95 is at least 0.70",
        "its evidence was found in the recorded tool output",
        "pool lists: set DB_POOL_SIZE in config/api-server.env from '1' to '20'",
        "pool lists: redeploy api-server",
        "0 of 2 attempts were made",
        "no other incident is being repaired on these targets",
        "0 of 1 repairs under pool are under way",
        "0 of 1 repairs are under way on service api-server",
        "0 of 3 repairs are under way in the fleet",
        "pool acted 0 times in the last hour; the limit is 3",
        "pool did not act lately",
        "no other incident changed these targets lately",
        "all policies acted 0 times in the last hour; the limit is 20",
        "no storm of incidents lately",
    ]


def test_the_trail_of_an_unknown_alert_ends_in_a_denial():
    trail = decide(POLICY, question(alerts=({"severity": "critical"},))).trail
    missing = '  alertname="ApiDbPoolExhausted" does not match alert unnamed'
    assert trail == (
        "mode act",
        *("policy drill", missing),
        *("policy pool", missing),
        *("policy wider", missing),
        "deny: No policy matches this alert, so nothing may be changed.",
    )


@pytest.mark.parametrize(
    ("effect", "values", "reason"),
    [
        (SET_POOL, {}, Reason.ALLOWED),
        (TOO_MANY, {}, Reason.VALUE_OUT_OF_BOUNDS),
        (ServiceRestart("api-server"), {}, Reason.EFFECT_NOT_ALLOWED),
        (SET_POOL, {"alerts": ({"alertname": "Other"},)}, Reason.NO_POLICY),
        (SET_POOL, {"acted": [begun(n * 16 * MINUTE) for n in (1, 2, 3)]}, Reason.RATE_LIMITED),
        (SET_POOL, {"acted": [begun(MINUTE)]}, Reason.COOLING_DOWN),
        (SET_POOL, {"acted": [begun(HOUR, active=True)]}, Reason.CONCURRENCY),
    ],
)
def test_one_effect_under_way_is_decided_alike(effect, values, reason):
    verdict = decide_effect(POLICY, question(**values), effect)
    assert verdict.reason is reason
    assert verdict.allowed is (reason is Reason.ALLOWED)


def test_another_target_that_is_busy_does_not_hold_one_effect_up():
    acted = [begun(2 * HOUR, policy="wider", active=True, targets=("service:db",))]
    wide = parse(TEXT.replace("service: api-server}", "service: db}"))
    assert decide_effect(wide, question(acted=acted), SET_POOL).allowed
    busy = decide_effect(wide, question(acted=acted), ServiceRedeploy("db"))
    assert busy.reason is Reason.CONCURRENCY


def test_the_repair_under_way_does_not_stand_in_its_own_way():
    own = [begun(MINUTE, incident_id="mine", active=True, targets=(REDEPLOY.target,))] * 9
    assert decide_effect(POLICY, question(acted=own, attempt=2), REDEPLOY).allowed


def explained(policy, effects=()):
    return explain(policy, Question(alerts=(LABELS,), effects=effects, at=START))


def test_explain_says_what_could_be_done():
    said = explained(POLICY)
    assert (said["mode"], said["policy"], said["verdict"]) == ("act", "pool", "deny")
    assert said["reason"] == "no_effects"
    assert said["allows"] == [
        {
            "effect": "config.set",
            "path": "config/api-server.env",
            "key": "DB_POOL_SIZE",
            "value": {"type": "integer", "min": 5.0, "max": 100.0},
        },
        {"effect": "service.redeploy", "service": "api-server"},
    ]


def test_explain_decides_about_given_effects():
    assert explained(POLICY, REPAIR)["verdict"] == "allow"
    said = explained(POLICY, (TOO_MANY,))
    assert (said["verdict"], said["reason"]) == ("deny", "value_out_of_bounds")
    assert "101" in said["message"]
    assert said["tree"][-1]["text"].startswith("deny: ")
    assert said["lines"][-1].startswith("✗ deny: ")


def test_explain_without_a_policy_allows_nothing():
    said = explained(None, REPAIR)
    assert (said["mode"], said["policy"], said["reason"]) == ("none", "", "no_policy")
    assert (said["autonomy"], said["allows"]) == ("", [])


def test_explain_shows_the_tree_as_data_and_as_text():
    said = explained(GUARDED, REPAIR)
    assert said["autonomy"] == "auto"

    def flat(nodes, depth=0):
        for node in nodes:
            yield depth, node["mark"], node["text"]
            yield from flat(node["nodes"], depth + 1)

    marks = {"yes": "✓", "no": "✗", "note": "·"}
    assert said["lines"] == [f"{'  ' * d}{marks[m]} {text}" for d, m, text in flat(said["tree"])]
    assert (1, "no", 'env=~"test|drill" does not match alert ApiDbPoolExhausted') in flat(
        said["tree"]
    )
    assert (1, "note", "guard is evaluated before each effect: up == 1") in flat(said["tree"])
    assert said["lines"][-1] == "✓ allow"


def test_alerts_that_fail_for_the_same_reason_are_one_line():
    many = [{"alertname": f"Other{n}", "severity": "critical"} for n in range(300)]
    trail = decide(POLICY, question(alerts=(*many, LABELS))).trail
    assert len(trail) < 30
    assert '  alertname="ApiDbPoolExhausted" does not match alert Other0 and 299 more' in trail


WORDS = st.sampled_from(["", "ApiDbPoolExhausted", "critical", "drill", "api-server", "x"])
LABEL_SETS = st.dictionaries(st.sampled_from([*WATCHED, "service", "x"]), WORDS, max_size=5)
EFFECTS = st.one_of(
    st.builds(
        ConfigSet,
        path=st.sampled_from(["config/api-server.env", "config/b.env"]),
        key=st.sampled_from(["DB_POOL_SIZE", "OTHER"]),
        before=st.text(max_size=3),
        after=st.integers(0, 110).map(str) | st.text(max_size=4),
    ),
    st.builds(ServiceRedeploy, st.sampled_from(["api-server", "db"])),
    st.builds(ServiceRestart, st.sampled_from(["api-server", "db"])),
    st.builds(PostmortemWrite, st.text(max_size=4)),
)
ACTED = st.builds(
    Acted,
    incident_id=st.sampled_from(["mine", "other"]),
    policy=st.sampled_from(["pool", "wider", "gone"]),
    targets=st.lists(st.sampled_from([SET_POOL.target, REDEPLOY.target, "x"]), max_size=2),
    at=st.timedeltas(timedelta(days=-2), timedelta(hours=1)).map(lambda ago: START + ago),
    active=st.booleans(),
)
DIAGNOSES = st.builds(
    diagnosis,
    supported=st.booleans(),
    confidence=st.floats(),
    conclusive=st.booleans(),
)
QUESTIONS = st.builds(
    Question,
    alerts=st.lists(st.just(LABELS) | LABEL_SETS, max_size=3),
    effects=st.just(REPAIR) | st.lists(EFFECTS, max_size=3),
    at=st.just(START),
    incident_id=st.just("mine"),
    diagnosis=st.none() | st.just(diagnosis()) | DIAGNOSES,
    attempt=st.integers(0, 3),
    acted=st.lists(ACTED, max_size=3),
    paused=st.booleans(),
)
MODES = {mode: with_mode(mode) for mode in ("observe", "suggest", "act")}
POLICIES = st.sampled_from([None, *MODES.values()])


@given(POLICIES, QUESTIONS, EFFECTS)
@settings(max_examples=200)
def test_every_question_has_one_answer(policy, asked, effect):
    assert decide(policy, asked) == decide(policy, asked)
    assert decide_effect(policy, asked, effect) == decide_effect(policy, asked, effect)
    for verdict in (decide(policy, asked), decide_effect(policy, asked, effect)):
        assert verdict.decision in Decision
        assert verdict.allowed is (verdict.reason is Reason.ALLOWED)
        assert verdict.message


@given(QUESTIONS)
@settings(max_examples=100)
def test_no_policy_denies_any_question(asked):
    assert decide(None, asked).reason is Reason.NO_POLICY


@given(POLICIES, QUESTIONS)
@settings(max_examples=300)
def test_allowed_means_act_and_every_effect_is_listed(policy, asked):
    verdict = decide(policy, asked)
    if not verdict.allowed:
        return
    assert policy.mode == "act"
    rule = next(item for item in policy.policies if item.name == verdict.policy)
    assert asked.effects
    assert all(any(a.allows(e) for a in rule.allow) for e in asked.effects)
    assert any(match(policy, labels) == rule for labels in asked.alerts)
    assert not asked.paused
    assert asked.attempt < rule.limits.attempts_per_incident


@given(QUESTIONS, EFFECTS)
@settings(max_examples=200)
def test_a_lower_mode_never_allows_more(asked, effect):
    for ask in (decide, lambda policy, q: decide_effect(policy, q, effect)):
        answers = [ask(MODES[mode], asked).allowed for mode in ("observe", "suggest", "act")]
        assert answers == sorted(answers)
        assert answers[:2] == [False, False]


@given(
    POLICIES,
    QUESTIONS,
    st.dictionaries(st.text(max_size=6).filter(lambda n: n not in WATCHED), st.text(max_size=6)),
)
@settings(max_examples=200)
def test_labels_that_no_matcher_names_change_nothing(policy, asked, extra):
    more = replace(asked, alerts=[{**labels, **extra} for labels in asked.alerts])
    assert decide(policy, more) == decide(policy, asked)


@given(QUESTIONS, ACTED)
@settings(max_examples=200)
def test_more_history_never_allows_more(asked, item):
    more = replace(asked, acted=[*asked.acted, item])
    if decide(POLICY, more).allowed:
        assert decide(POLICY, asked).allowed


@given(QUESTIONS, EFFECTS)
@settings(max_examples=200)
def test_one_more_effect_never_turns_a_denial_into_consent(asked, effect):
    if asked.effects and decide(POLICY, replace(asked, effects=[*asked.effects, effect])).allowed:
        assert decide(POLICY, asked).allowed
