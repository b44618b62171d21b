"""`investigate`: told step by step, with pictures, and its exit code says whether a cause was found."""

import json

import pytest
from typer.testing import CliRunner

from sre_daemon.cli.investigate import sparklines
from sre_daemon.cli.main import app
from tests.support.runbooks import runbook

CONFIG_ONLY = """\
name: api-db-pool-exhausted
description: Requests wait for a database connection.
matchers: ['alertname="ApiDbPoolExhausted"']
investigate:
  - {id: config, tool: read_config_file, arguments: {path: config/api-server.env}}
findings:
  - id: small
    when: [{step: config, key: DB_POOL_SIZE, value: '< 5', claim: 'the size is below 5'}]
    root_cause: 'DB_POOL_SIZE is {config.DB_POOL_SIZE}'
    confidence: 0.9
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "shop" / "config").mkdir(parents=True)
    (tmp_path / "shop" / "config" / "api-server.env").write_text("DB_POOL_SIZE=1\n")
    (tmp_path / "book.md").write_text(runbook(CONFIG_ONLY))
    file = tmp_path / "sre-daemon.yaml"
    file.write_text(
        "data_dir: data\nprometheus: {url: 'http://127.0.0.1:1'}\nconfig_root: shop\n"
        "runbooks: [book.md]\nagent: {engine: runbook}\nreceiver: {allow_anonymous: true}\n"
    )
    return file


def invoke(*arguments, stdin=None):
    return CliRunner().invoke(app, ["investigate", *map(str, arguments)], input=stdin)


def test_alert_name_is_investigated_and_each_step_is_told(config, tmp_path):
    done = invoke("ApiDbPoolExhausted", "--config", config)
    assert done.exit_code == 0, done.output
    assert "read_config_file(path=config/api-server.env)" in done.output
    assert "DB_POOL_SIZE is 1" in done.output
    assert "shown" in done.output
    # Read-only, and nothing of it remains.
    assert not (tmp_path / "data").exists()
    assert (tmp_path / "shop" / "config" / "api-server.env").read_text() == "DB_POOL_SIZE=1\n"


def test_notification_from_standard_input_as_json(config):
    alert = {
        "status": "firing",
        "labels": {"alertname": "ApiDbPoolExhausted"},
        "startsAt": "2026-01-02T03:04:00Z",
    }
    body = json.dumps({"version": "4", "groupKey": "g", "alerts": [alert]})
    done = invoke("-", "--config", config, "--json", stdin=body)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["engine"] == "runbook"
    assert answer["diagnosis"]["supported"] is True


def test_nothing_found_is_exit_code_one(config):
    done = invoke("SomethingElse", "--config", config)
    assert done.exit_code == 1
    assert "no runbook matches" in done.output


def test_range_is_drawn_and_anything_else_is_not():
    values = [[1795500000 + n, n] for n in range(100)]
    (line,) = sparklines(json.dumps({"series": [{"labels": {"a": "b"}, "values": values}]}))
    assert line.startswith("▁")
    assert "█ 0 to 99 since 06:00:00 UTC" in line
    assert sparklines("[c1] text") == []
    assert sparklines(json.dumps({"series": [{"value": 1}]})) == []
    assert sparklines(json.dumps({"series": None})) == []
