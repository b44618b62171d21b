from pathlib import Path

import pytest

from sre_daemon.agent.runbook import file as runbook_file
from sre_daemon.errors import RunbookError
from tests.support.runbooks import BODY, FRONT, runbook

PATH = Path("pool.md")


def parse(text):
    return runbook_file.parse(text, PATH)


def test_runbook_is_read_with_its_sections():
    book = parse(runbook())
    assert book.name == "api-db-pool-exhausted"
    assert [step.id for step in book.front.investigate] == ["pool", "config", "logs"]
    assert book.front.findings[1].propose[0]["after"] == "20"
    assert book.sections["Impact"] == "Requests fail."


def test_all_matchers_must_hold():
    book = parse(runbook())
    assert book.matches({"alertname": "ApiDbPoolExhausted", "service": "api-server"})
    assert not book.matches({"alertname": "ApiDbPoolExhausted", "service": "auth"})
    assert not book.matches({"service": "api-server"})


def test_runbook_without_machine_steps_is_accepted():
    front = "name: a\ndescription: b\nmatchers: ['alertname=\"A\"']\n"
    assert parse(runbook(front)).front.findings == ()


def changed(old, new):
    assert old in FRONT
    return runbook(FRONT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# no front matter", "pool.md:1: there is no front matter"),
        ("---\nname: a\n", "pool.md:1: there is no front matter"),
        (changed("tool: query_metrics", "tool: run_shell_command"), "pool.md:6: .*tool"),
        (changed("tool: query_metrics", "tool: edit_config_file"), "pool.md:6: .*tool"),
        (changed("description:", "descripton:"), "pool.md:3: descripton"),
        (changed("step: pool, value", "step: pond, value"), "no step pond"),
        (changed("{pool.value}", "{pond.value}"), "no step pond"),
        (changed("value: '< 5'", "value: 'small'"), "value"),
        (changed("value: '< 5'", "value: '< 5', empty: true"), "exactly one of"),
        (changed("value: '< 5', ", ""), "exactly one of"),
        (changed("key: DB_POOL_SIZE, number: false", "number: false"), "number needs the key"),
        (changed("effect: service.redeploy", "effect: service.delete"), "unknown effect"),
        (changed("service: api-server}\n", "service: 1}\n"), "pool.md:.*service"),
        (changed("id: config", "id: pool"), "same id"),
        (changed("confidence: 0.8", "confidence: 8"), "confidence"),
        (changed("alertname=", "alertname"), "matchers"),
        (changed("name: api", "name: ../api"), "pool.md:2: name"),
        (changed("findings:", "findings: ["), "not valid YAML"),
        (runbook(body=BODY.replace("## Impact", "## Effect")), "section Impact is missing"),
    ],
)
def test_mistake_is_refused_with_its_place(text, says):
    with pytest.raises(RunbookError, match=says):
        parse(text)
