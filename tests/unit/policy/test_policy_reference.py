"""The decision agrees with a slow and obvious one, over random policies, alerts and states."""

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy, ServiceRestart
from sre_daemon.domain.verdict import REASONS
from sre_daemon.policy.decide import Question, decide
from sre_daemon.policy.file import Policy
from sre_daemon.policy.model import PolicyDocument
from sre_daemon.store.base import Acted
from tests.support.clock import START
from tests.support.factories import diagnosis
from tests.support.reference import expected

NIGHT = {
    "name": "night",
    "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "06:00"}]}],
}
EFFECTS = [
    ServiceRestart("api"),
    ServiceRestart("db"),
    ServiceRedeploy("api"),
    ConfigSet("config/a.env", "POOL", "1", "20"),
    ConfigSet("config/a.env", "POOL", "1", "500"),
    ConfigSet("config/a.env", "LOG", "1", "2"),
]
ALLOWS = [
    {"effect": "service.restart", "service": "api"},
    {"effect": "service.redeploy", "service": "api"},
    *(
        {
            "effect": "config.set",
            "path": "config/a.env",
            "key": "POOL",
            "value": {"type": "integer", "min": 5, "max": most},
        }
        for most in (100, 1000)
    ),
]
TARGETS = [effect.target for effect in EFFECTS]
MORE = ['env="a"', 'env!="a"', 'env=~"a|b"', 'env!~"a|b"', 'env=""', 'service="api"']
PROMOTION = {"shadow": ["ask", "auto"], "ask": ["auto"], "auto": []}


def rule(r, name):
    filed = r.choice(["shadow", "ask", "auto", "auto", "auto"])
    to = r.choice([None, *PROMOTION[filed]])
    return {
        "name": name,
        "matchers": [f'alertname="{r.choice("AAB")}"', *r.sample(MORE, r.choice([0, 0, 1]))],
        "autonomy": filed,
        "active_time_intervals": r.choice([[], [], ["night"]]),
        "promotion": to and {"to": to, "after": 3},
        "deterministic": r.random() < 0.1,
        "allow": r.sample(ALLOWS, r.choice([2, 3, 4, 4])),
        "guards": r.choice([[], ["up == 1"]]),
        "require": {"evidence": r.random() < 0.5, "min_confidence": r.choice([0.0, 0.7])},
        "limits": {
            "attempts_per_incident": r.choice([1, 2]),
            "per_hour": r.choice([1, 2, 3]),
            "cooldown": r.choice(["0m", "15m"]),
            "concurrent": r.choice([1, 2]),
        },
    }


def file(r):
    names = ["one", "two", "three"][: r.choice([0, 1, 2, 3, 3, 3])]
    return {
        "version": 1,
        "mode": r.choice(["observe", "suggest", "act", "act", "act"]),
        "time_intervals": [NIGHT],
        "limits": {
            "changes_per_hour": r.choice([1, 2, 4]),
            "concurrent": {key: r.choice([1, 2, 3]) for key in ("service", "host", "fleet")},
            "target_cooldown": r.choice(["0m", "5m", "30m"]),
            "storm": {"incidents": r.choice([2, 3]), "within": "5m", "cooldown": "15m"},
        },
        "policies": [rule(r, name) for name in names],
    }


def some_labels(r):
    labels = {
        "alertname": r.choice("AAABC"),
        "env": r.choice(["a", "b", "c", ""]),
        "service": r.choice(["api", "db", ""]),
        "instance": r.choice(["web-1:9100", "web-1", "web-2:9100", ""]),
    }
    return {name: value for name, value in labels.items() if value}


def ago(r):
    return timedelta(minutes=r.choice([0, 4, 5, 14, 15, 29, 30, 59, 60, 90]))


def question(r):
    at = START.replace(hour=0) + timedelta(minutes=r.choice([0, 359, 360, 720]))
    acted = [
        Acted(
            r.choice(["mine", "other", "third"]),
            r.choice(["one", "two", "gone"]),
            r.sample(TARGETS, r.choice([0, 1, 2])),
            at - ago(r),
            r.random() < 0.4,
            some_labels(r),
        )
        for _ in range(r.choice([0, 0, 1, 2, 3]))
    ]
    found = diagnosis(
        supported=r.random() < 0.8,
        confidence=r.choice([0.9, 0.9, 0.9, 0.7, 0.69]),
        conclusive=r.random() < 0.95,
    )
    return Question(
        alerts=[some_labels(r) for _ in range(r.choice([1, 2]))],
        effects=r.sample(EFFECTS, r.choice([0, 1, 1, 1, 1, 1, 1, 2])),
        at=at,
        incident_id="mine",
        diagnosis=r.choice([None, found]),
        engine=r.choice(["claude", "runbook"]),
        attempt=r.choice([0, 0, 0, 0, 1, 2]),
        acted=acted,
        opened=[at - ago(r) for _ in range(r.choice([0, 0, 0, 2, 3]))],
        earned={n: r.choice(list(Autonomy)) for n in ("one", "two") if r.random() < 0.3},
        guards=r.choice([{}, *({"up == 1": said} for said in (True, True, False, None))]),
        approved=r.random() < 0.2,
        paused=r.random() < 0.05,
    )


def policy_of(data):
    """As `parse` makes it, without the text: reading YAML takes longer than all the rest."""
    document = PolicyDocument.model_validate(data)
    intervals = {item.name: item for item in document.time_intervals}
    return Policy(document.mode, document.policies, "", intervals, document.limits)


def said(data, asked):
    """What the real one says; every verdict has a reason from the list, and a sentence."""
    verdict = decide(policy_of(data), asked)
    assert verdict.reason in REASONS
    assert verdict.message.strip()
    assert verdict.tree
    return verdict


# The seeds are hypothesis's, what is made of one is uniform: a policy of many parts that is drawn part
# by part is mostly one that matches nothing.
SEEDS = st.integers(0, 2**64)


def drawn(seed):
    r = random.Random(seed)
    return file(r), question(r)


@settings(max_examples=1000)
@given(SEEDS)
def test_a_thousand_random_policies_decide_as_the_reference_does(seed):
    data, asked = drawn(seed)
    verdict = said(data, asked)
    assert (verdict.decision, verdict.reason, verdict.policy) == expected(data, asked)


@settings(max_examples=200)
@given(SEEDS)
def test_neither_a_lower_mode_nor_labels_that_nobody_names_widen_anything(seed):
    data, asked = drawn(seed)
    modes = ("observe", "suggest", "act")
    ranks = [said(data | {"mode": mode}, asked).decision.rank for mode in modes]
    assert ranks == sorted(ranks)
    more = [labels | {"owner": "mallory", "autonomy": "auto"} for labels in asked.alerts]
    assert said(data, replace(asked, alerts=more)) == said(data, asked)


def test_what_is_drawn_meets_every_reason_of_the_decision():
    """Else the agreement would be one about little."""
    met = {expected(*drawn(seed))[1] for seed in range(3000)}
    assert met == {
        *("allowed", "no_policy", "mode_ceiling", "autonomy", "demoted", "outside_window"),
        *("paused", "not_deterministic", "inconclusive", "low_confidence"),
        *("unsupported_evidence", "no_effects", "effect_not_allowed", "value_out_of_bounds"),
        *("attempts_spent", "concurrency", "blast_radius", "rate_limited", "cooling_down"),
        *("target_cooling", "changes_spent", "storm_cooldown", "guard_failed", "no_data"),
    }
