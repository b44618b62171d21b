"""Guardrails hold for the value itself, however it is written."""

import pytest
from pydantic import ValidationError

from mcp_tools.effects import ConfigSet
from mcp_tools.effects.document import parse
from mcp_tools.errors import Refused
from mcp_tools.guard.guardrails import Guardrails, Range, check_changes

PATH = "config/api-server.env"
RAILS = Guardrails.model_validate(
    {
        "version": 1,
        "files": {
            PATH: {
                "DB_POOL_SIZE": {"type": "integer", "min": 5, "max": 100},
                "DB_POOL_TIMEOUT": {"type": "number", "min": 0.5, "max": 30},
                "MODE": {"type": "enum", "values": ["fast", "safe"]},
            }
        },
    }
)


def change(key, after, path=PATH):
    return [ConfigSet(path, key, "1", after)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DB_POOL_SIZE", "5"),
        ("DB_POOL_SIZE", "100"),
        ("DB_POOL_TIMEOUT", "0.5"),
        ("DB_POOL_TIMEOUT", "30"),
        ("MODE", "safe"),
    ],
)
def test_values_on_the_bounds_are_accepted(key, value):
    check_changes(RAILS, change(key, value))


@pytest.mark.parametrize(
    "value",
    [
        "4",
        "101",
        "0",
        "-3",
        "1_0",
        "",
        " 20",
        "20 ",
        "0x20",
        "020",
        "+20",
        "2e1",
        "20.0",
        "٢٠",
        "9" * 23,
        "nan",
        "20\n",
    ],
)
def test_pool_size_outside_or_oddly_written_is_refused(value):
    with pytest.raises(Refused) as caught:
        check_changes(RAILS, change("DB_POOL_SIZE", value))
    assert caught.value.code == "guardrail"


@pytest.mark.parametrize("value", ["0.4", "30.1", "inf", "nan", "1e1", ".5", "1."])
def test_timeout_outside_or_oddly_written_is_refused(value):
    with pytest.raises(Refused):
        check_changes(RAILS, change("DB_POOL_TIMEOUT", value))


def test_unlisted_keys_and_files_are_refused_when_guardrails_exist():
    with pytest.raises(Refused, match="do not list"):
        check_changes(RAILS, change("LOG_LEVEL", "debug"))
    with pytest.raises(Refused, match="do not list"):
        check_changes(RAILS, change("DB_POOL_SIZE", "20", "config/other.env"))


def test_without_guardrails_compose_and_prometheus_files_are_refused():
    for path in ("config/docker-compose.yml", "config/compose.yaml", "config/prometheus.yml"):
        with pytest.raises(Refused):
            check_changes(None, change("a", "2", path))
    check_changes(None, change("a", "2"))


def test_file_that_breaks_a_range_is_refused():
    RAILS.check_document(PATH, parse(PATH, "DB_POOL_SIZE=20\n"))
    RAILS.check_document(PATH, parse(PATH, "OTHER=1\n"))
    for text in (
        "DB_POOL_SIZE=1\n",
        'DB_POOL_SIZE="1"\n',
        "DB_POOL_SIZE=\n",
        "export DB_POOL_SIZE=1 # 20\n",
    ):
        with pytest.raises(Refused):
            RAILS.check_document(PATH, parse(PATH, text))


def test_file_with_a_guarded_key_twice_is_refused():
    with pytest.raises(Refused, match="more than once"):
        RAILS.check_document(PATH, parse(PATH, "DB_POOL_SIZE=20\nDB_POOL_SIZE=1\n"))


@pytest.mark.parametrize(
    "data",
    [
        {"type": "integer"},
        {"type": "number", "min": 1},
        {"type": "enum"},
        {"type": "any"},
        {"type": "integer", "min": 1, "max": float("inf")},
    ],
)
def test_ranges_without_bounds_do_not_load(data):
    with pytest.raises(ValidationError):
        Range.model_validate(data)
