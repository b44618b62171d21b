"""Settings from the environment, effects on the wire, and alerts combined from two sources."""

from datetime import UTC, datetime

import pytest

from mcp_tools import settings
from mcp_tools.effects import (
    ConfigSet,
    ConfluenceCreate,
    McpCall,
    PagerDutyCreate,
    PagerDutyUpdate,
    PostmortemWrite,
    ServiceRedeploy,
    ServiceRestart,
    SilenceCreate,
    from_json,
    to_json,
)
from mcp_tools.errors import SettingsError, ToolError
from mcp_tools.registry import CONFLUENCE, PAGERDUTY, SILENCES, TOOLS, registered
from mcp_tools.spec import Phase
from mcp_tools.tools.alerts import Sources, combine
from sre_daemon.agent.tools import MORE_READS, READ_TOOLS
from sre_daemon.domain import effect as daemons

EFFECTS = (
    ConfigSet("config/a.env", "A", "1", "2"),
    ServiceRestart("api"),
    ServiceRedeploy("api"),
    PostmortemWrite("t"),
    McpCall("files", "write_file", '{"path":"/a"}'),
    PagerDutyCreate("PSHOP", "t", "d", "high", "k"),
    PagerDutyUpdate("PSHOP", "Q1", "resolved", "n"),
    ConfluenceCreate("SRE", "77", "Post-Mortem: t", "{}"),
    SilenceCreate('{"alertname":"A"}', "60", "c"),
)


@pytest.mark.parametrize("effect", EFFECTS)
def test_both_sides_read_the_same_wire_form(effect):
    wire = to_json(effect)
    assert from_json(wire) == effect
    assert daemons.to_json(daemons.from_json(wire)) == wire


def test_both_sides_know_the_same_kinds():
    assert {effect.kind for effect in EFFECTS} == set(daemons.KINDS)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"effect": "x"},
        {"effect": "service.restart"},
        {"effect": "service.restart", "service": 1},
        {"effect": "service.restart", "service": "a", "x": "y"},
        {"effect": ["config.set"]},
    ],
)
def test_malformed_effects_are_refused(data):
    with pytest.raises(ToolError):
        from_json(data)


def test_environment_sets_everything():
    read = settings.load(
        None,
        {
            "PROMETHEUS_URL": "http://p:9090",
            "ALERTMANAGER_URL": "http://a:1, http://b:2",
            "CONFIG_ROOT": "/srv",
            "SUPERVISOR_SOCKET": "/run/s.sock",
            "SERVICES": "api-server,postgres",
            "RUNBOOKS": "/r1,/r2",
            "POSTMORTEMS": "/data/postmortems",
        },
    )
    assert str(read.prometheus.url) == "http://p:9090/"
    assert len(read.alertmanagers) == 2
    assert read.services == ("api-server", "postgres")
    assert read.runtime.kind == "supervisor"
    assert str(read.backup_folder) == "/data/backups"


def test_environment_sets_a_runtime_of_any_kind():
    read = settings.load(
        None,
        {
            "RUNTIME_KIND": "compose",
            "RUNTIME_PROJECT": "shop",
            "RUNTIME_FILE": "/srv/compose.yaml",
            "RUNTIME_HOST": "tcp://proxy:2375",
        },
    ).runtime
    assert (read.kind, read.project, str(read.file)) == ("compose", "shop", "/srv/compose.yaml")
    assert read.host == "tcp://proxy:2375"


def test_empty_environment_has_defaults():
    read = settings.load(None, {})
    assert str(read.prometheus.url) == "http://127.0.0.1:9090/"
    assert read.runtime.kind == "none"
    assert read.backup_folder is None


KEYS = {
    "PAGERDUTY_API_KEY": "k",
    "PAGERDUTY_SERVICE_ID": "PSHOP",
    "CONFLUENCE_BASE_URL": "https://x.atlassian.net/wiki",
    "CONFLUENCE_API_TOKEN": "t",
}


@pytest.mark.parametrize(
    ("missing", "count"),
    [
        ((), 19),
        (("PAGERDUTY_API_KEY",), 15),
        (("CONFLUENCE_BASE_URL",), 16),
        (("CONFLUENCE_API_TOKEN",), 16),
        (tuple(KEYS), 12),
    ],
)
def test_keys_of_integrations_add_their_tools_and_nothing_else(missing, count):
    given = {name: value for name, value in KEYS.items() if name not in missing}
    found = settings.load(None, given)
    assert len(registered(Phase.REMEDIATE, found)) == count
    reading = registered(Phase.INVESTIGATE, found)
    assert len(reading) == {19: 13, 15: 11, 16: 11, 12: 9}[count]
    assert all(tool.spec.read_only for tool in reading.values())


@pytest.mark.parametrize("service", [*MORE_READS])
def test_an_investigation_is_allowed_exactly_the_tools_that_keys_add_to_it(service):
    given = {name: value for name, value in KEYS.items() if name.lower().startswith(service)}
    reading = registered(Phase.INVESTIGATE, settings.load(None, given))
    assert set(reading) == {*READ_TOOLS, *MORE_READS[service]}


def test_keys_also_come_from_files_and_are_not_shown(tmp_path):
    (tmp_path / "key").write_text("s3cret-key\n")
    found = settings.load(None, {"PAGERDUTY_API_KEY_FILE": str(tmp_path / "key")})
    assert found.pagerduty.api_key.get_secret_value() == "s3cret-key"
    assert "s3cret" not in repr(found)
    with pytest.raises(SettingsError, match=r"confluence\.base_url"):
        settings.load(None, KEYS | {"CONFLUENCE_BASE_URL": "no address"})


def test_wrong_variable_is_named():
    with pytest.raises(SettingsError, match="prometheus"):
        settings.load(None, {"PROMETHEUS_URL": "not a url"})


def test_yaml_duplicates_are_refused():
    with pytest.raises(SettingsError, match="not valid YAML"):
        settings.parse_yaml("a: 1\na: 2\n", "f")


def test_phases_have_nine_and_twelve_tools():
    nothing = settings.load(None, {})
    assert len(registered(Phase.INVESTIGATE, nothing)) == 9
    assert len(registered(Phase.REMEDIATE, nothing)) == len(TOOLS) == 12
    assert all(tool.spec.read_only for tool in registered(Phase.INVESTIGATE, nothing).values())


def test_every_description_says_when_and_gives_an_example():
    for tool in (*TOOLS, *PAGERDUTY, *CONFLUENCE, *SILENCES):
        text = tool.spec.description
        assert "Use it" in text or "use it" in text, tool.spec.name
        assert "xample" in text or "docker compose up -d" in text, tool.spec.name
        assert len(text) < 2000


NOW = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
LABELS = {"alertname": "PoolExhausted", "service": "api"}
FIRING = {
    "labels": LABELS,
    "annotations": {"summary": "s"},
    "state": "firing",
    "activeAt": "2026-01-01T09:58:00.123456789Z",
    "value": "1e+00",
}


def test_alert_has_expression_age_and_value():
    rule = {"query": "db > 0.9", "alerts": [FIRING]}
    output = combine([[FIRING], [rule], [], []], Sources(prometheus="ok", alertmanager="ok"), NOW)
    (alert,) = output.alerts
    assert (alert.state, alert.expr, alert.value) == ("firing", "db > 0.9", 1.0)
    assert alert.duration_seconds == pytest.approx(119.9, abs=0.1)


MUTED = [
    {"id": "s1", "createdBy": "ann", "comment": "deploy\u202e", "endsAt": "2026-01-01T12:00:00Z"},
    {"id": "s1", "createdBy": "ann", "comment": "deploy\u202e", "endsAt": "2026-01-01T12:00:00Z"},
    {"id": "s2", "createdBy": "bob", "comment": "other", "endsAt": "2026-01-01T12:00:00Z"},
]


def test_silence_is_found_through_external_labels():
    managed = {
        "labels": {**LABELS, "cluster": "x"},
        "status": {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": []},
    }
    output = combine(
        [[FIRING], [], [managed], MUTED], Sources(prometheus="ok", alertmanager="ok"), NOW
    )
    assert [(a.state, a.silenced_by) for a in output.alerts] == [("suppressed", ["s1"])]


def test_alert_known_only_to_alertmanager_is_listed():
    managed = {
        "labels": {"alertname": "Other"},
        "annotations": {},
        "startsAt": "2026-01-01T09:00:00Z",
        "status": {"state": "active"},
    }
    output = combine([[], [], [managed], []], Sources(prometheus="x", alertmanager="ok"), NOW)
    assert [(a.name, a.state, a.duration_seconds) for a in output.alerts] == [
        ("Other", "firing", 3600.0)
    ]


def test_nan_value_is_null():
    output = combine(
        [[{**FIRING, "value": "NaN"}], [], [], []], Sources(prometheus="ok", alertmanager="ok"), NOW
    )
    assert output.alerts[0].value is None


def test_no_alert_is_said_so():
    output = combine([[], [], [], []], Sources(prometheus="ok", alertmanager="ok"), NOW)
    assert "No alert is firing" in output.render()
