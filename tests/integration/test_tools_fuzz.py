"""Any arguments at all, to every tool: an answer in time, a server that lives, nothing else written."""

import json
import tempfile
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_tools.registry import CONFLUENCE, PAGERDUTY, SILENCES, TOOLS
from tests.support.confluence import confluence
from tests.support.decoy import SECRET, Decoy
from tests.support.escapes import COMMANDS, PATHS
from tests.support.inside import Asked, inside
from tests.support.pagerduty_rest import pagerduty_rest
from tests.support.tool_server import text

SECONDS = 20
TOKENS = [
    *("config/api-server.env", "DB_POOL_SIZE", "1", "20", "DB_POOL_SIZE=1", "DB_POOL_SIZE=20"),
    *("api-server", "error", "all", "now", "now-5m", "now-1y", "5m", "investigate", "remediate"),
    *(
        "up",
        'up{job="x"}',
        '{__name__=~".+"}',
        "rate(up[1y:1s])",
        "docker compose up -d api-server",
    ),
    *("docker restart api-server", "\u202e", "\0", "\ud800", "a" * 5000, "\n", "../..", "*", "%s"),
    *PATHS[::7],
    *COMMANDS[::11],
]
TEXT = st.text(max_size=30) | st.sampled_from(TOKENS)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
ANYTHING = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)


def fitting(schema):
    """Values that mostly pass the schema of one argument."""
    kinds = {item.get("type") for item in schema.get("anyOf", [schema])}
    choices = [st.none()] if "null" in kinds else []
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if kinds & {"integer", "number"}:
        choices.append(st.integers(min_value=0, max_value=300))
    if "string" in kinds:
        choices.append(TEXT)
    if "array" in kinds:
        choices.append(st.lists(TEXT, max_size=3))
    return st.one_of(choices) if choices else ANYTHING


def arguments(tool):
    schema = tool.spec.input.model_json_schema()
    fields = schema["properties"]
    good = st.fixed_dictionaries(
        {name: fitting(fields[name]) for name in schema.get("required", [])},
        optional={
            name: fitting(field)
            for name, field in fields.items()
            if name not in schema.get("required", [])
        },
    )
    bad = st.dictionaries(st.sampled_from([*fields, "x"]) | TEXT, ANYTHING, max_size=4)
    return good | bad


def sendable(value):
    """What JSON can carry: no lone surrogate, no NaN. The rest is the client's own error."""
    return json.loads(
        json.dumps(value, allow_nan=True)
        .encode()
        .replace(b"NaN", b"null")
        .replace(b"-Infinity", b"null")
        .replace(b"Infinity", b"null")
    )


async def call(tool, given_arguments):
    """One call on a fresh tree; what it wrote is only what the tool is for."""
    with tempfile.TemporaryDirectory() as name:
        decoy = Decoy(Path(name))
        with anyio.fail_after(SECONDS):
            async with decoy.client() as client:
                try:
                    result = await client.call_tool(tool.spec.name, given_arguments)
                except UnicodeEncodeError:
                    return
                said = text(result)
                assert said.startswith("[c1] ")
                assert "The tool failed inside" not in said
                assert SECRET not in said
                assert len(said) < 50_000
                if result.is_error:
                    assert result.structured_content is None
                else:
                    assert result.structured_content["call"] == "c1"
                again = await client.call_tool("read_config_file", {"path": "config/app.yaml"})
                assert not again.is_error
        written(decoy, tool)


def written(decoy, tool):
    """Outside of what a tool may write, everything is as it was; and the gate was asked before."""
    before, after = decoy.before, decoy.snapshot()
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    allowed = ("root/data", "root/deployments.jsonl")
    if decoy.gate.asked and tool.spec.name == "edit_config_file":
        allowed += ("root/config/api-server.env",)
        size = dict(
            line.split("=")
            for line in (decoy.root / "config" / "api-server.env").read_text().splitlines()[1:]
        )["DB_POOL_SIZE"]
        assert 5 <= int(size) <= 100
    assert {name for name in changed if not name.startswith(allowed)} == set()
    if tool.spec.read_only:
        assert decoy.gate.asked == []
        assert {name for name in changed if not name.endswith(("data", "redaction.key"))} == set()
    assert len(decoy.engine.touched) <= len(decoy.gate.asked)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.spec.name)
def test_any_arguments_get_an_answer_and_do_no_harm(tool):
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(arguments(tool))
    def run(given_arguments):
        anyio.run(call, tool, sendable(given_arguments))

    run()


async def call_people(tool, given_arguments):
    """One call where PagerDuty and Confluence are there; nothing is written before the gate's yes."""
    guard = Asked(allow=False)
    async with pagerduty_rest() as pagerduty, confluence() as site:
        pagerduty.open()
        everybody = {
            "pagerduty": pagerduty.settings(),
            "confluence": site.settings(),
            "alertmanagers": [site.url],
        }
        async with inside(everybody, guard) as client:
            with anyio.fail_after(SECONDS):
                result = await client.call_tool(tool.spec.name, given_arguments)
        assert text(result).startswith("[c1] ")
        assert "The tool failed inside" not in text(result)
        for server in (pagerduty, site):
            assert {method for method, _ in server.faults.seen} <= {"GET"}
            paths = [path for _, path in server.faults.seen]
            known = ("/incidents", "/wiki/rest/api/content", "/api/v2/")
            assert all(path.startswith(known) for path in paths)


@pytest.mark.parametrize(
    "tool", [*PAGERDUTY, *CONFLUENCE, *SILENCES], ids=lambda tool: tool.spec.name
)
def test_any_arguments_about_people_get_an_answer_and_do_no_harm(tool):
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(arguments(tool))
    def run(given_arguments):
        anyio.run(call_people, tool, sendable(given_arguments))

    run()
