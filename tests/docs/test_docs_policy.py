"""docs/policy.md says what the code does: its examples, keys, defaults, reasons and refusals."""

import inspect
import re
from datetime import timedelta
from pathlib import Path

from typer.testing import CliRunner

from sre_daemon.cli.main import app
from sre_daemon.domain.effect import KINDS
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.executor import gate
from sre_daemon.policy import autonomy, limits
from sre_daemon.policy.allow import AllowCall, AllowConfigSet, AllowPostmortem, AllowService
from sre_daemon.policy.cases import Begun, Case, CaseFile, Expected, Found, Opened, State
from sre_daemon.policy.decide import decide
from sre_daemon.policy.file import parse
from sre_daemon.policy.intervals import Interval, NamedIntervals, Times
from sre_daemon.policy.lint import lint
from sre_daemon.policy.model import (
    Concurrent,
    Demotion,
    FleetLimits,
    Limits,
    MinHealthy,
    PolicyDocument,
    Promotion,
    Require,
    Rule,
    Storm,
    Verify,
)
from sre_daemon.policy.outward import AllowIncident, AllowIncidentUpdate, AllowPage, AllowSilence
from sre_daemon.policy.value import Value

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
SECTIONS = {
    "## The file": [PolicyDocument],
    "## A policy": [Rule],
    "### `allow`": [
        *(AllowConfigSet, AllowService, AllowPostmortem, AllowCall),
        *(AllowIncident, AllowIncidentUpdate, AllowPage, AllowSilence),
    ],
    "### `value`": [Value],
    "### `require`": [Require],
    "### `promotion`": [Promotion],
    "### `demotion`": [Demotion],
    "### `min_healthy`": [MinHealthy],
    "### `verify`": [Verify],
    "### `limits`": [Limits],
    "## Time intervals": [NamedIntervals],
    "### One interval": [Interval],
    "### `times`": [Times],
    "## Limits of all policies": [FleetLimits],
    "### `concurrent`": [Concurrent],
    "### `storm`": [Storm],
    "## Test it": [CaseFile],
    "### A case": [Case],
    "### `state`": [State],
    "### `diagnosis`": [Found],
    "### `begun`": [Begun],
    "### `opened`": [Opened],
    "### `expect`": [Expected],
}
NESTED = (Require(), Verify(), Limits(), Demotion(), FleetLimits(), Concurrent(), Storm(), State())
BOUNDED = ("promotion", "min_healthy", "limits", "concurrent", "storm")


def rows(section, head):
    """The cells of the table with this head in a section, without it."""
    (body,) = re.findall(rf"^{re.escape(section)}$(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    table = body.split(f"| {head} |", 1)[1].split("\n\n")[0].rstrip()
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in table.split("\n")[2:]
    ]


def examples(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def shown(field):
    """A default as the page writes it."""
    if field.is_required():
        return "required"
    value = field.default if field.default_factory is None else None
    if value in NESTED:
        return "see below"
    if value is None or value == ():
        return "none"
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        return f"`{seconds // 60}m`" if seconds % 60 == 0 else f"`{seconds}s`"
    return f"`{value if isinstance(value, str) else str(value).lower()}`"


def test_the_examples_parse_and_are_clean():
    policy = parse(examples("yaml")[0])
    assert lint(policy) == []
    assert len(policy.policies) == 3


def test_the_example_shows_every_key():
    text = "".join(examples("yaml"))
    for models in SECTIONS.values():
        for model in models:
            for key in set(model.model_fields) - {"pattern"}:
                assert re.search(rf"\b{key}:", text), key


def test_every_key_is_listed_with_its_default():
    for section, models in SECTIONS.items():
        fields = {key: field for model in models for key, field in model.model_fields.items()}
        listed = {row[0].strip("`"): row[1] for row in rows(section, "key | default | meaning")}
        assert listed == {key: shown(field) for key, field in fields.items()}, section


def test_bounds_are_the_ones_of_the_code():
    for section, (model,) in ((f"### `{name}`", SECTIONS[f"### `{name}`"]) for name in BOUNDED):
        meaning = {row[0].strip("`"): row[2] for row in rows(section, "key | default | meaning")}
        for key, field in model.model_fields.items():
            low, high = ([getattr(m, name, None) for m in field.metadata] for name in ("ge", "le"))
            bounds = [value for value in (*low, *high) if value is not None]
            if bounds:
                assert meaning[key].endswith(f"; {min(bounds)} to {max(bounds)}."), key


def test_every_effect_is_listed_with_its_keys():
    listed = {
        row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1]))
        for row in rows("### `allow`", "`effect` | further keys")
    }
    assert listed == {
        "config.set": set(AllowConfigSet.model_fields) - {"effect"},
        "service.restart": set(AllowService.model_fields) - {"effect"},
        "service.redeploy": set(AllowService.model_fields) - {"effect"},
        "postmortem.write": set(),
        "mcp.call": set(AllowCall.model_fields) - {"effect"},
        "pagerduty.create": set(AllowIncident.model_fields) - {"effect"},
        "pagerduty.update": set(AllowIncidentUpdate.model_fields) - {"effect"},
        "silence.create": set(AllowSilence.model_fields) - {"effect"},
        "confluence.create": set(AllowPage.model_fields) - {"effect"},
    }
    assert set(listed) == set(KINDS)


def named(*modules):
    source = "".join(inspect.getsource(module) for module in modules)
    return {Reason[name] for name in re.findall(r"Reason\.([A-Z_]+)", source)}


def test_the_table_of_reasons_is_the_one_of_the_code():
    table = rows("## Reasons", "reason | given by | meaning")
    decision = named(inspect.getmodule(decide), limits, autonomy)
    assert {Reason(row[0].strip("`")): row[2] for row in table} == {
        reason: REASONS[reason] for reason in decision | named(gate)
    }
    # `explain` and the decision name the same; the gate asks `decide_effect` besides its own.
    for reason, given, _ in table:
        assert ("decision" in given) is (Reason(reason.strip("`")) in decision)
        if Reason(reason.strip("`")) in named(gate):
            assert "gate" in given


def test_the_commands_print_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in zip(("policy.yaml", "policy-test.yaml"), examples("yaml"), strict=True):
        Path(name).write_text(text, encoding="utf-8")
    sessions = examples("console")
    assert len(sessions) == 3
    for session in sessions:
        command, _, output = session.removeprefix("$ sre-daemon ").partition("\n")
        result = CliRunner().invoke(app, command.split())
        assert result.exit_code == 0
        assert [line.split() for line in result.output.splitlines()] == [
            line.split() for line in output.splitlines()
        ]


def test_the_demo_s_policy_parses():
    assert lint(parse((ROOT / "stack" / "policy.yaml").read_text(encoding="utf-8"))) == []
