"""What a policy file may say; each refusal names the file, the line and the key."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.effect import ConfigSet, PostmortemWrite, ServiceRedeploy, ServiceRestart
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.allow import AllowConfigSet, AllowPostmortem, AllowService
from sre_daemon.policy.file import parse
from sre_daemon.policy.value import Value
from tests.support.factories import SET_POOL

HEAD = """\
version: 1
mode: act
policies:
  - name: pool
    matchers: ['alertname="A"']
"""


def refused(text):
    with pytest.raises(PolicyFileError) as caught:
        parse(text, "p.yaml")
    return caught.value.reason


def rule(*lines, allow="{effect: postmortem.write}"):
    """A file with one policy; `lines` start at line 7."""
    return "\n".join([HEAD + f"    allow: [{allow}]", *(f"    {line}" for line in lines)])


def valued(value, path="config/a.env", key="K"):
    return rule(
        allow=f"{{effect: config.set, path: {path}, key: {key}, value: {{{value}}}}}",
    )


def test_an_empty_file_is_refused():
    assert refused("") == "p.yaml:1: version: Field required"


def test_without_a_mode_nothing_is_changed():
    assert parse("version: 1").mode == "observe"
    assert parse("version: 1").policies == ()


def test_defaults_are_the_documented_ones():
    (only,) = parse(rule()).policies
    assert (only.autonomy, only.on_failure) == ("ask", "rollback")
    assert (only.require.evidence, only.require.min_confidence) == (True, 0.7)
    assert (only.verify.alerts_resolved, only.verify.promql) == (True, ())
    assert (only.verify.hold, only.verify.within) == (timedelta(seconds=30), timedelta(minutes=5))
    assert (only.limits.attempts_per_incident, only.limits.per_hour) == (1, 3)
    assert (only.limits.cooldown, only.limits.concurrent) == (timedelta(minutes=15), 1)


def test_matchers_are_read_in_order():
    text = rule().replace("""'alertname="A"'""", """'alertname="A",b="1"', 'c=~"2|3"'""")
    assert [str(m) for m in parse(text).policies[0].parsed] == [
        'alertname="A"',
        'b="1"',
        'c=~"2|3"',
    ]


@pytest.mark.parametrize("autonomy", ["shadow", "ask", "auto"])
def test_each_level_of_autonomy_is_a_word_of_the_language(autonomy):
    assert parse(rule(f"autonomy: {autonomy}")).policies[0].autonomy == autonomy


def test_a_policy_says_when_by_whom_and_under_what_guard():
    (only,) = parse(
        rule(
            "active_time_intervals: [nights]",
            "guards: ['up == 1']",
            "min_healthy: [{promql: 'count(up == 1)', keep: 2}]",
            "approvers: [sre-oncall, ann@example.org]",
            "deterministic: true",
            "promotion: {to: auto, after: 5}",
            "demotion: {to: shadow}",
        ).replace(
            "mode: act\n",
            "mode: act\ntime_intervals: [{name: nights, time_intervals: "
            "[{times: [{start_time: '22:00', end_time: '24:00'}]}]}]\n",
        )
    ).policies
    assert only.active_time_intervals == ("nights",)
    assert only.guard_queries == ("up == 1", "(count(up == 1)) > 2")
    assert only.approvers == ("sre-oncall", "ann@example.org")
    assert (only.deterministic, only.promotion.after, only.demotion.to) == (True, 5, "shadow")
    assert only.ceiling is Autonomy.AUTO


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("autonomie: auto", "policies.0.autonomie"),
        ("autonomy: always", "policies.0.autonomy"),
        ("on_failure: ignore", "policies.0.on_failure"),
        ("active_time_intervals: nights", "policies.0.active_time_intervals"),
        ("guards: [' ']", "policies.0.guards"),
        ("min_healthy: [{promql: up}]", "policies.0.min_healthy.0.keep"),
        ("min_healthy: [{promql: '', keep: 1}]", "policies.0.min_healthy.0.promql"),
        ("approvers: ['ann and bob']", "policies.0.approvers.0"),
        ("deterministic: maybe", "policies.0.deterministic"),
        ("promotion: {to: auto}", "policies.0.promotion.after"),
        ("promotion: {to: shadow, after: 3}", "policies.0.promotion.to"),
        ("demotion: {to: auto}", "policies.0.demotion.to"),
        ("require: {min_confidence: 1.1}", "policies.0.require.min_confidence"),
        ("require: {min_confidence: -0.1}", "policies.0.require.min_confidence"),
        ("require: {min_confidence: .nan}", "policies.0.require.min_confidence"),
        ("require: {confidence: 0.5}", "policies.0.require.confidence"),
        ("verify: {hold: 30}", "policies.0.verify.hold"),
        ("verify: {hold: soon}", "policies.0.verify.hold"),
        ("verify: {hold: 6m}", "policies.0.verify"),
        ("verify: {alerts_resolved: false}", "policies.0.verify"),
        ("verify: {promql: [' ']}", "policies.0.verify.promql"),
        (f"verify: {{promql: ['{'x' * 2001}']}}", "policies.0.verify.promql"),
        ("limits: {attempts_per_incident: 0}", "policies.0.limits.attempts_per_incident"),
        ("limits: {attempts_per_incident: 6}", "policies.0.limits.attempts_per_incident"),
        ("limits: {per_hour: 0}", "policies.0.limits.per_hour"),
        ("limits: {per_hour: 101}", "policies.0.limits.per_hour"),
        ("limits: {concurrent: 0}", "policies.0.limits.concurrent"),
        ("limits: {concurrent: 101}", "policies.0.limits.concurrent"),
        ("limits: {cooldown: 25h}", "policies.0.limits.cooldown"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(line, place):
    reason = refused(rule("on_failure: rollback", line) if "on_failure" not in line else rule(line))
    assert reason.startswith(f"p.yaml:{7 if 'on_failure' in line else 8}: {place}: ")


@pytest.mark.parametrize(
    "line",
    [
        "require: {min_confidence: 0}",
        "require: {min_confidence: 1}",
        "verify: {alerts_resolved: false, promql: ['up == 1']}",
        "verify: {hold: 5m, within: 5m}",
        "limits: {attempts_per_incident: 5, per_hour: 100, cooldown: 24h, concurrent: 100}",
    ],
)
def test_the_bounds_themselves_are_accepted(line):
    assert parse(rule(line)).policies


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("type: integer", "an integer needs min and max, or enum"),
        ("type: integer, min: 1", "an integer needs min and max, or enum"),
        ("type: number, max: 1", "needs min and max, or enum"),
        ("type: string", "a string needs enum or pattern"),
        ("type: string, min: 1, max: 2, pattern: a", "min and max make no sense for a string"),
        ("type: boolean, min: 0", "min and max make no sense for a boolean"),
        ("type: integer, min: 2, max: 1", "min is greater than max"),
        ("type: integer, min: -.inf, max: .inf", "finite number"),
        ("type: number, min: .nan, max: 1", "finite number"),
        ("type: string, pattern: '('", "is not a regular expression"),
        ("type: string, pattern: '(?=a)a'", "is not a regular expression"),
        ("type: string, enum: [1, 2]", "valid string"),
        ("type: any", "'integer', 'number', 'boolean' or 'string'"),
        ("type: string, values: [a]", "Extra inputs"),
    ],
)
def test_a_value_without_bounds_is_refused(value, says):
    reason = refused(valued(value))
    assert reason.startswith("p.yaml:6: policies.0.allow.0.value")
    assert says in reason


@pytest.mark.parametrize(
    "path",
    [
        "a.env",
        "/etc/passwd",
        "config",
        "config/",
        "/config/a.env",
        "configs/a.env",
        "src/config/a.env",
        "config/../a.env",
        "config/./a.env",
        "config//a.env",
        "config/*.env",
        "config/?.env",
        "'config/[ab].env'",
        "config/**/a.env",
        "'config/a b.env'",
        r'"config/a.env\n"',
        "config/ä.env",
        r"config\a.env",
    ],
)
def test_only_a_plain_path_below_config_is_accepted(path):
    reason = refused(valued("type: boolean", path=path))
    assert reason.startswith("p.yaml:6: policies.0.allow.0.path: ")
    assert "must be a plain path below config/" in reason


@pytest.mark.parametrize("path", ["config/a.env", "config/deep/a-b_c.1.yaml", "config/.hidden"])
def test_a_plain_path_is_accepted(path):
    assert parse(valued("type: boolean", path=path)).policies[0].allow[0].path == path


@pytest.mark.parametrize("key", ["'*'", "POOL_*", "'A?'", "'[AB]'", "'A B'", "''", "K" * 257])
def test_a_key_is_literal(key):
    reason = refused(valued("type: boolean", key=key))
    assert reason.startswith("p.yaml:6: policies.0.allow.0.key: ")


@pytest.mark.parametrize("effect", ["service.restart", "service.redeploy"])
@pytest.mark.parametrize("service", ["'*'", "api-*", "''", "'a b'", "-api", "../api", "a" * 64])
def test_a_service_is_literal(effect, service):
    reason = refused(rule(allow=f"{{effect: {effect}, service: {service}}}"))
    assert reason.startswith("p.yaml:6: policies.0.allow.0.service: ")


@pytest.mark.parametrize("effect", ["'*'", "shell.run", "config.*", "''"])
def test_an_unknown_effect_is_refused(effect):
    reason = refused(rule(allow=f"{{effect: {effect}}}"))
    assert reason.startswith("p.yaml:6: policies.0.allow.0: ")
    known = "'config.set', 'service.restart', 'service.redeploy', 'postmortem.write', 'mcp.call'"
    assert known in reason


def test_an_effect_takes_no_other_keys():
    reason = refused(rule(allow="{effect: postmortem.write, path: config/a.env}"))
    assert reason.startswith("p.yaml:6: policies.0.allow.0.path: ")


@pytest.mark.parametrize(
    ("matchers", "says"),
    [
        ("[]", "at least 1 item"),
        ("""['service="api"']""", 'alertname="…"'),
        ("""['alertname=""']""", 'alertname="…"'),
        ("""['alertname=~".+"']""", 'alertname="…"'),
        ("""['alertname!="A"']""", 'alertname="…"'),
        ("""['alertname="A"', 'b=~"("']""", "is not a regular expression"),
        ("""['alertname="A"', 'b']""", "cannot read 'b' as a matcher"),
        ("alertname=A", "valid tuple"),
    ],
)
def test_matchers_must_be_readable_and_name_the_alert(matchers, says):
    reason = refused(rule().replace("""['alertname="A"']""", matchers))
    assert reason.startswith("p.yaml:5: policies.0.matchers: ")
    assert says in reason


@pytest.mark.parametrize("name", ["Pool", "-pool", "po ol", "''", "a" * 64, "pool_1"])
def test_a_name_is_plain(name):
    reason = refused(rule().replace("name: pool", f"name: {name}"))
    assert reason.startswith("p.yaml:4: policies.0.name: ")


def test_a_policy_must_allow_something():
    assert refused(rule(allow="")).startswith("p.yaml:6: policies.0.allow: ")


def test_two_policies_cannot_share_a_name():
    second = rule().partition("policies:\n")[2]
    reason = refused(rule() + "\n" + second)
    assert reason.startswith("p.yaml:3: policies: ")
    assert "two policies have the name pool" in reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version: 2\n", "p.yaml:1: version: "),
        ("version: 1\nmode: dry\n", "p.yaml:2: mode: "),
        ("version: 1\nmode: act\nmode: observe\n", "p.yaml:3: not valid YAML: "),
        ("version: 1\ndefault: allow\n", "p.yaml:2: default: "),
        ("- version: 1\n", "p.yaml:1: the document must be a mapping"),
        ("version: [\n", "p.yaml:2: not valid YAML: "),
        ("version: 1\npolicies: &p []\nmode: *p\n", "p.yaml:2: YAML aliases are not accepted"),
    ],
)
def test_a_document_of_another_shape_is_refused(text, reason):
    assert refused(text).startswith(reason)


def test_every_mistake_of_a_file_is_named():
    reason = refused(rule("on_failure: never", "limits: {per_hour: 0}"))
    assert "p.yaml:7: policies.0.on_failure: " in reason
    assert "p.yaml:8: policies.0.limits.per_hour: " in reason


@pytest.mark.parametrize(
    ("value", "good", "bad"),
    [
        (
            {"type": "integer", "min": 5, "max": 100},
            ["5", "20", "100"],
            ["4", "101", "5.0", "+20", " 20", "20 ", "020", "2e1", "0x10", "", "٢٠", "-5", "20\n"],
        ),
        ({"type": "integer", "min": -2, "max": 0}, ["-2", "0", "-0"], ["-3", "1"]),
        (
            {"type": "integer", "min": 0, "max": 2**53},
            ["9007199254740992"],
            ["9007199254740993", "1" + "0" * 18],
        ),
        ({"type": "integer", "enum": ("1", "8")}, ["1", "8"], ["2", "08"]),
        ({"type": "integer", "min": 0, "max": 5, "enum": ("1", "8")}, ["1"], ["8", "2"]),
        (
            {"type": "number", "min": 0.5, "max": 30},
            ["0.5", "30", "30.0", "1.25"],
            ["0.49", "30.1", ".5", "1.", "1e1", "nan", "inf", "Infinity", "0.1234567891"],
        ),
        ({"type": "boolean"}, ["true", "false"], ["True", "yes", "1", "", "true\n"]),
        ({"type": "string", "enum": ("a", "b c")}, ["a", "b c"], ["A", "", "b"]),
        ({"type": "string", "pattern": "v[0-9]+"}, ["v1", "v12"], ["v", "xv1", "v1x", "v1\n"]),
        ({"type": "string", "pattern": "[^b]*"}, ["a", ""], ["a\nc", "a\x00", "\x1b[m"]),
        ({"type": "string", "pattern": "a.*", "enum": ("ab", "b")}, ["ab"], ["b", "ac"]),
    ],
)
def test_a_value_is_allowed_within_its_bounds_only(value, good, bad):
    bounds = Value.model_validate(value)
    assert [text for text in good if not bounds.allows(text)] == []
    assert [text for text in bad if bounds.allows(text)] == []


@given(st.integers(-50, 50), st.integers(0, 50), st.integers(-120, 120))
@settings(max_examples=150)
def test_an_integer_is_allowed_exactly_between_its_bounds(low, width, number):
    bounds = Value(type="integer", min=low, max=low + width)
    assert bounds.allows(str(number)) is (low <= number <= low + width)


@given(st.text(max_size=8) | st.text("0123456789.-+e_ ", max_size=8))
@settings(max_examples=200)
def test_an_allowed_text_is_a_number_within_the_bounds(text):
    if Value(type="number", min=-3, max=7).allows(text):
        assert -3 <= float(text) <= 7
        assert set(text) <= set("0123456789.-")


def test_an_entry_covers_its_own_target_only():
    allow = AllowConfigSet(
        effect="config.set",
        path="config/a.env",
        key="K",
        value=Value(type="integer", min=1, max=9),
    )
    assert allow.allows(ConfigSet("config/a.env", "K", "1", "9"))
    outside = ConfigSet("config/a.env", "K", "1", "10")
    assert allow.covers(outside)
    assert not allow.allows(outside)
    for other in (
        ConfigSet("config/b.env", "K", "1", "9"),
        ConfigSet("config/a.env", "k", "1", "9"),
        ServiceRestart("K"),
        PostmortemWrite("K"),
    ):
        assert not allow.covers(other)
        assert not allow.allows(other)


def test_the_old_value_is_not_bounded():
    (only,) = parse(valued("type: integer, min: 1, max: 9")).policies
    assert only.allow[0].allows(ConfigSet("config/a.env", "K", "999", "9"))


def test_restart_does_not_allow_redeploy():
    restart = AllowService(effect="service.restart", service="api")
    redeploy = AllowService(effect="service.redeploy", service="api")
    assert restart.allows(ServiceRestart("api"))
    assert not restart.allows(ServiceRedeploy("api"))
    assert redeploy.allows(ServiceRedeploy("api"))
    assert not redeploy.allows(ServiceRestart("api"))
    assert not restart.allows(ServiceRestart("api2"))


def test_a_postmortem_entry_allows_nothing_else():
    allow = AllowPostmortem(effect="postmortem.write")
    assert allow.allows(PostmortemWrite("t"))
    assert not any(allow.allows(e) for e in (SET_POOL, ServiceRestart("t"), ServiceRedeploy("t")))
