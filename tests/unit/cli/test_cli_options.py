"""How options are read."""

from datetime import UTC, datetime

import pytest

from sre_daemon.cli import options
from sre_daemon.cli.client import Declined, Unreachable
from sre_daemon.cli.main import exit_code
from sre_daemon.domain.effect import ConfigSet, PostmortemWrite, ServiceRedeploy, ServiceRestart
from sre_daemon.errors import ConfigError, StoreUnavailable


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("service.redeploy:api-server", ServiceRedeploy("api-server")),
        ("service.restart:db", ServiceRestart("db")),
        ("config.set:config/a.env:POOL=20", ConfigSet("config/a.env", "POOL", "", "20")),
        ("config.set:config/a.env:URL=a=b", ConfigSet("config/a.env", "URL", "", "a=b")),
        ("postmortem.write:A title", PostmortemWrite("A title")),
        ('{"effect": "service.restart", "service": "db"}', ServiceRestart("db")),
    ],
)
def test_effects_have_a_short_form_and_json(text, effect):
    assert options.effect(text) == effect


@pytest.mark.parametrize(
    "text", ["", "service.stop:db", "config.set:POOL=1", "config.set:a:b", "{", "{}", "[1]"]
)
def test_what_is_no_effect_is_a_usage_error(text):
    with pytest.raises(ConfigError) as caught:
        options.effect(text)
    assert "service.redeploy:NAME" in caught.value.hint


def test_times_without_a_zone_are_utc():
    assert options.moment("2026-05-01T14:00:00") == datetime(2026, 5, 1, 14, tzinfo=UTC)
    assert options.moment("2026-05-01T16:00:00+02:00") == datetime(2026, 5, 1, 14, tzinfo=UTC)
    with pytest.raises(ConfigError):
        options.moment("yesterday")


def test_labels_are_pairs_given_once():
    assert options.labels(["a=b", "c=d=e"]) == {"a": "b", "c": "d=e"}
    for pairs in (["a"], ["a=1", "a=2"]):
        with pytest.raises(ConfigError):
            options.labels(pairs)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Declined("no"), 1),
        (ConfigError("x"), 2),
        (Unreachable("x"), 3),
        (StoreUnavailable("x"), 3),
    ],
)
def test_exit_codes_tell_kinds_of_failure_apart(failure, code):
    assert exit_code(failure) == code
