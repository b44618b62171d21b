"""Settings and secrets: strict, relative to their file, never shown."""

from datetime import timedelta
from pathlib import Path

import pytest

from mcp_tools import settings as tools
from sre_daemon.errors import ConfigError
from sre_daemon.executor.hands import write_tool_settings
from sre_daemon.settings import VARIABLES, Secrets, check_front_door, load, load_secrets
from sre_daemon.settings.attached import reading

LEAST = "data_dir: data\nprometheus: {url: 'http://127.0.0.1:9090'}\n"


def settings(folder, text=LEAST):
    file = folder / "sre-daemon.yaml"
    file.write_text(text)
    return load(file)


def test_little_is_needed_and_the_defaults_change_nothing(tmp_path):
    found = settings(tmp_path)
    assert (found.host, found.port) == ("127.0.0.1", 9911)
    assert found.policy is None
    assert found.store == "sqlite"
    assert found.agent.engine == "auto"
    assert not found.receiver.allow_anonymous
    assert found.receiver.max_body_bytes >= 32 << 20


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    more = "policy: p.yaml\nrunbooks: [r, /abs]\nruntime: {kind: supervisor, socket: s.sock}\n"
    found = settings(tmp_path, LEAST + more)
    assert found.data_dir == tmp_path / "data"
    assert found.policy == tmp_path / "p.yaml"
    assert found.runbooks == (tmp_path / "r", Path("/abs"))
    assert found.runtime.socket == tmp_path / "s.sock"


def test_paths_of_further_sources_are_relative_to_the_file(tmp_path):
    more = "repository: .\nloki: {url: 'http://127.0.0.1:3100', token_file: loki.token}\n"
    found = settings(tmp_path, LEAST + more)
    assert found.repository == tmp_path
    assert found.loki.token_file == tmp_path / "loki.token"


def test_attached_servers_are_read_and_their_reading_tools_named(tmp_path):
    more = (
        "tools:\n  files:\n    command: [bin/server, ./data]\n    cwd: work\n"
        "    env_files: {TOKEN: t}\n    timeout: 5s\n"
        "    tools: {read_file: read, write_file: write, move: 'off'}\n"
        "  far:\n    url: https://tools.example.com/mcp\n"
    )
    found = settings(tmp_path, LEAST + more).tools
    assert found["files"].command == (str(tmp_path / "bin" / "server"), "./data")
    assert found["files"].cwd == tmp_path / "work"
    assert found["files"].env_files == {"TOKEN": tmp_path / "t"}
    assert reading(found) == ("files__read_file",)


@pytest.mark.parametrize(
    "server",
    ["{}", "{command: [a], url: 'http://h/'}", "{command: [a], tools: {x: maybe}}"],
)
def test_an_attached_server_that_leaves_something_open_is_refused(tmp_path, server):
    with pytest.raises(ConfigError, match="tools"):
        settings(tmp_path, LEAST + f"tools:\n  a: {server}\n")
    with pytest.raises(ConfigError, match="tools"):
        settings(tmp_path, LEAST + "tools:\n  a__b: {command: [a]}\n")


def test_the_tool_server_reads_what_the_daemon_writes(tmp_path):
    more = (
        "loki: {url: 'http://127.0.0.1:3100', token_file: t, timeout: 3s}\nrepository: .\n"
        "tools: {a: {command: [x], tools: {y: read}, timeout: 5s}}\n"
    )
    written = write_tool_settings(
        settings(tmp_path, LEAST + more), Secrets(), tmp_path / "tools.json"
    )
    found = tools.load(written)
    assert found.loki.timeout_seconds == 3
    assert found.loki.token_file == tmp_path / "t"
    assert found.repository == tmp_path
    assert found.tools["a"].timeout_seconds == 5
    assert found.tools["a"].tools == {"y": "read"}


def test_the_tool_server_gets_the_keys_that_are_whole_in_a_file_of_its_own(tmp_path):
    secrets = Secrets(
        pagerduty_api_key="pd-key",
        pagerduty_from_email="sre@example.com",
        confluence_api_token="alone",
    )
    written = write_tool_settings(settings(tmp_path), secrets, tmp_path / "tools.json")
    assert written.stat().st_mode & 0o777 == 0o600
    found = tools.load(written)
    assert found.pagerduty.api_key.get_secret_value() == "pd-key"
    assert found.pagerduty.from_email == "sre@example.com"
    assert str(found.pagerduty.url) == "https://api.pagerduty.com/"
    assert found.confluence is None
    assert "alone" not in written.read_text()


GOOD = {
    "pagerduty_api_key": "k",
    "confluence_base_url": "https://x.atlassian.net/wiki",
    "confluence_api_token": "t",
    "confluence_user_email": "sre@example.com",
    "confluence_parent_page_id": "77",
    "pagerduty_service_id": "PSHOP",
    "pagerduty_url": "https://api.eu.pagerduty.com",
}


def test_the_tool_server_reads_every_key_that_the_daemon_accepts(tmp_path):
    written = write_tool_settings(settings(tmp_path), Secrets(**GOOD), tmp_path / "tools.json")
    found = tools.load(written)
    assert (found.pagerduty.service_id, found.confluence.parent_page_id) == ("PSHOP", "77")
    assert str(found.pagerduty.url) == "https://api.eu.pagerduty.com/"
    assert found.confluence.user_email == "sre@example.com"


@pytest.mark.parametrize(
    "wrong",
    [
        {"pagerduty_from_email": "nobody"},
        {"pagerduty_service_id": "../x"},
        {"pagerduty_url": "api.pagerduty.com"},
        {"confluence_base_url": "wiki"},
        {"confluence_user_email": "a:b"},
        {"confluence_space_key": "a b"},
        {"confluence_parent_page_id": "home"},
    ],
)
def test_a_key_that_would_stop_the_tool_server_stops_the_daemon_and_is_named(tmp_path, wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=VARIABLES[name]):
        write_tool_settings(settings(tmp_path), Secrets(**(GOOD | wrong)), tmp_path / "t.json")


def test_paths_of_a_runtime_are_relative_to_the_file(tmp_path):
    more = (
        "runtime:\n  kind: compose\n  project: shop\n  file: compose.yaml\n  env_file: /abs.env\n"
        f"  pinned: {{compose.yaml: '{'a' * 64}'}}\n"
    )
    found = settings(tmp_path, LEAST + more).runtime
    assert found.file == tmp_path / "compose.yaml"
    assert found.env_file == Path("/abs.env")
    assert found.pinned == {tmp_path / "compose.yaml": "a" * 64}


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("5s", timedelta(seconds=5)),
        ("2m", timedelta(minutes=2)),
        ("1h", timedelta(hours=1)),
        ("1d", timedelta(days=1)),
        ("0s", timedelta()),
    ],
)
def test_durations_are_written_as_prometheus_does(tmp_path, text, duration):
    assert settings(tmp_path, LEAST + f"correlation: {{linger: {text}}}\n").correlation.linger == (
        duration
    )


@pytest.mark.parametrize(
    "line",
    [
        "listn: 127.0.0.1:1",
        "listen: everywhere",
        "correlation: {linger: -5s}",
        "correlation: {linger: soon}",
        "store: mysql://u@h/d",
        "store: 7",
        "prometheus: {url: 'ftp://h'}",
        "agent: {engine: gpt}",
        "worker: {concurrency: 0}",
        "alertmanagers: http://h",
        "traces: {command_line: true}",
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path, line):
    text = LEAST if not line.startswith("prometheus") else "data_dir: data\n"
    with pytest.raises(ConfigError, match=r"sre-daemon\.yaml:\d+: "):
        settings(tmp_path, text + line + "\n")


def test_secrets_come_from_the_environment_then_from_dotenv(tmp_path):
    (tmp_path / ".env").write_text(
        "SRE_DAEMON_API_TOKEN=from-file\nSRE_DAEMON_WEBHOOK_TOKEN=from-file\n"
    )
    found = load_secrets(tmp_path, {"SRE_DAEMON_API_TOKEN": "from-environment"})
    assert found.api_token.get_secret_value() == "from-environment"
    assert found.webhook_token.get_secret_value() == "from-file"
    assert found.anthropic_api_key is None


def test_a_secret_can_be_in_a_file(tmp_path):
    (tmp_path / "token").write_text("hidden\n")
    found = load_secrets(tmp_path, {"SRE_DAEMON_API_TOKEN_FILE": str(tmp_path / "token")})
    assert found.api_token.get_secret_value() == "hidden"
    with pytest.raises(ConfigError, match="missing"):
        load_secrets(tmp_path, {"SRE_DAEMON_API_TOKEN_FILE": str(tmp_path / "missing")})


def test_no_secret_is_shown(tmp_path):
    found = load_secrets(tmp_path, dict.fromkeys(VARIABLES.values(), "hunter2"))
    shown = repr(found).replace(repr(found.anthropic_base_url), "")
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("listen", "anonymous", "token", "good"),
    [
        ("127.0.0.1:0", False, True, True),
        ("0.0.0.0:0", False, True, True),
        ("127.0.0.1:0", False, False, False),
        ("127.0.0.1:0", True, False, True),
        ("localhost:0", True, False, True),
        ("0.0.0.0:0", True, False, False),
        ("10.0.0.1:0", True, False, False),
    ],
)
def test_the_door_is_locked_unless_it_is_ours_alone(tmp_path, listen, anonymous, token, good):
    text = LEAST + f"listen: {listen}\nreceiver: {{allow_anonymous: {str(anonymous).lower()}}}\n"
    secrets = load_secrets(tmp_path, {"SRE_DAEMON_WEBHOOK_TOKEN": "t"} if token else {})
    if good:
        check_front_door(settings(tmp_path, text), secrets)
    else:
        with pytest.raises(ConfigError):
            check_front_door(settings(tmp_path, text), secrets)
