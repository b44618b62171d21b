"""Makes the reference pages from the code (`--write`), or says which are out of date (`--check`)."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import dashboard
import typer
from manpage import manpage
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from mcp_tools import registry
from mcp_tools.spec import Phase
from sre_daemon import settings
from sre_daemon.cli.main import app
from sre_daemon.cli.output import as_json
from sre_daemon.metrics import Metrics
from sre_daemon.policy import schema

DOCS = Path(__file__).parents[1] / "docs"


def configuration() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "One YAML file, read strictly: an unknown key stops the start and names its path and line.",
        "Relative paths are relative to the file.",
        "`sre-daemon check FILE` checks it together with the files it names.",
        "This page is made from the code by `make docs`.",
        "",
        "## The settings file",
        "",
        "| key | default | meaning |",
        "| --- | --- | --- |",
        *_settings(settings.Settings, ""),
        "",
        "Durations are written as in Prometheus: `500ms`, `30s`, `5m`, `1h30m`.",
        "",
        "## Secrets",
        "",
        "Only from the environment, from a variable `NAME_FILE` that names a file, or from a `.env` beside the settings file.",
        "",
        "| variable | meaning |",
        "| --- | --- |",
    ]
    for name, variable in settings.VARIABLES.items():
        text = (settings.Secrets.model_fields[name].description or "").partition(variable)[2]
        lines.append(f"| `{variable}` | {text.strip(' :;.') or 'the key of the model API'} |")
    return "\n".join(lines) + "\n"


def _settings(model: type[BaseModel], prefix: str) -> list[str]:
    rows: list[str] = []
    for name, field in model.model_fields.items():
        inner = _groups(field.annotation)
        for group in inner:
            kind = _kind(group) if len(inner) > 1 else ""
            # Settings by name, such as those of attached servers.
            named = ".NAME" if get_origin(field.annotation) is dict else ""
            rows += _settings(group, f"{prefix}{field.alias or name}{kind}{named}.")
        if not inner:
            text = " ".join((field.description or "").split())
            rows.append(f"| `{prefix}{field.alias or name}` | {_default(field)} | {text} |")
    return rows


def _groups(annotation: Any) -> list[type[BaseModel]]:
    """The groups of settings in a type, several where there is a choice between kinds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [group for inner in get_args(annotation) for group in _groups(inner)]


def _kind(group: type[BaseModel]) -> str:
    return f"[{get_args(group.model_fields['kind'].annotation)[0]}]"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if field.default_factory is not None:
        return "none"
    if value is PydanticUndefined:
        return "required"
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(item) for item in value)}]`"
    if hasattr(value, "total_seconds"):
        return f"`{value.total_seconds():g}s`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def metrics() -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "At `/metrics`, as Prometheus text or OpenMetrics. No label takes a value from an alert.",
        "The queries are those of the dashboard (`deploy/grafana/sre-daemon.json`) and of the rules about the daemon itself (`rules/`).",
        "This page is made from the code by `make docs`.",
        "",
        "| metric | type | labels | meaning | what it is for |",
        "| --- | --- | --- | --- | --- |",
    ]
    known = [*dashboard.queries(), *_alerts()]
    for family in Metrics().registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = sorted({label for s in family.samples for label in s.labels} - {"le", "quantile"})
        used = re.compile(rf"\b{family.name}(_total|_bucket|_sum|_count|_info)?\b")
        uses = [f"{what}: `{query}`" for what, query in known if used.search(query)]
        shown = "<br>".join(uses[:2]).replace("|", "\\|")
        lines.append(
            f"| `{name}` | {family.type} | {', '.join(f'`{x}`' for x in labels)} | "
            f"{family.documentation} | {shown} |"
        )
    return "\n".join(lines) + "\n"


def _alerts() -> list[tuple[str, str]]:
    """The alerts about the daemon itself and their expressions."""
    files = sorted((DOCS.parent / "rules").glob("sre-daemon*.rules.yml"))
    groups = [
        group for file in files for group in YAML(typ="safe").load(file.read_text())["groups"]
    ]
    return [
        (rule["alert"], " ".join(str(rule["expr"]).split()))
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    ]


def cli() -> str:
    """docs/cli.md."""
    lines = [
        "# Command line",
        "",
        "Exit codes: 0 done, 1 the answer is no or a finding, 2 wrong usage or configuration, 3 a dependency is not reachable.",
        "Commands that ask a running daemon take `--url` (or `SRE_DAEMON_URL`) and the token from `SRE_DAEMON_API_TOKEN`.",
        "This page is made from the code by `make docs`.",
        "",
    ]
    lines += _commands(typer.main.get_command(app), "sre-daemon")
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: str) -> list[str]:
    if hasattr(command, "commands"):
        lines: list[str] = []
        for name, inner in command.commands.items():
            lines += _commands(inner, f"{path} {name}")
        return lines
    lines = [f"## `{path}`", "", (command.help or "").strip(), ""]
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        names = ", ".join(f"`{option}`" for option in parameter.opts)
        if parameter.param_type_name == "argument":
            names = f"`{parameter.metavar or parameter.name.upper()}`"
        rows.append(f"| {names} | {getattr(parameter, 'help', None) or ''} |")
    if rows:
        lines += ["| option | meaning |", "| --- | --- |", *rows, ""]
    return lines


def tools() -> str:
    """docs/tools.md."""
    lines = [
        "# Tools",
        "",
        "The tool server speaks MCP over stdio or streamable HTTP: `sre-daemon tools`, or `python -m mcp_tools --help`.",
        "In phase `investigate` only the reading tools exist; `remediate` has all of them.",
        "`restore` has them too and is for taking a change back: the exact content of a kept copy is accepted although it breaks the guardrails.",
        "Every write asks the gate first and is refused without an answer.",
        "This page is made from the code by `make docs`.",
        "",
        "## Attaching it to a client",
        "",
        "Over stdio the client starts it: `sre-tools --config tools.json`.",
        "Over HTTP it listens on `127.0.0.1:9912/mcp`: `MCP_TOOLS_HTTP_TOKEN=… sre-tools --transport http`.",
        "Without a token it starts only with `--anonymous`, and only on a loopback address.",
        "Requests that name another host or come from a page of another origin are refused, unless `--allow-host` and `--allow-origin` name them.",
        "",
        "Calls run side by side, can be cancelled, and report progress every two seconds to a client that asks for it.",
        "A write that the gate has been asked for is finished even when its call is cancelled.",
        "Each result has text and structure, at most 39,000 characters of each, with terminal sequences and invisible characters made visible and secrets masked.",
        "Runbooks (`runbook://NAME`), post-mortems (`postmortem://NAME`) and the policy (`policy://current`) are resources.",
        "`investigate` and `postmortem` are prompts.",
        "",
        "## Writing without the daemon",
        "",
        "`sre-daemon tools --policy policy.yaml --config tools.json` starts the server with all tools and a gate of its own.",
        "It allows what the policy lets happen alone (`autonomy: auto`, `mode: act`) while an alert fires that the policy is about and nobody silenced: within its bounds, guards and limits, and each target at most `attempts_per_incident` times for the same alert in 24 hours.",
        "What needs a person is refused, because there is nobody to ask; the guardrails hold as always, and every answer is a line on standard error.",
        "",
        "```json",
        '{"mcpServers": {"sre": {"command": "sre-daemon", "args": ["tools", "--policy", "/etc/sre-daemon/policy.yaml", "--config", "/etc/sre-daemon/tools.json"]}}}',
        "```",
        "",
        "## A hook for an agent of your own",
        "",
        "`sre-tools-hook --config tools.json` is a `PreToolUse` hook for people who attach the server to their own agent: a second lock in front of the server, which checks the same.",
        "It computes what an edit would make of the file and holds it to the guardrails, refuses a deploy while the file is out of range, and keeps the agent's own file and shell tools away from `config/` and the containers.",
        "Whatever it cannot read or judge it blocks, with exit code 2: every other code would let the call through.",
        "",
        "```json",
        '{"hooks": {"PreToolUse": [{"matcher": "*", "hooks": [{"type": "command", "command": "sre-tools-hook --config /etc/sre-daemon/tools.json"}]}]}}',
        "```",
        "",
        "## Attaching other servers to it",
        "",
        "The section `tools` of the settings names further MCP servers, on stdio or HTTP, and says of each of their tools whether it is `read`, `write` or `off`.",
        "What is not named is off, and an investigation sees the reading ones only, as `SERVER__TOOL`.",
        "Their results pass the same bounds, numbering and masks; a writing call is the effect `mcp.call` and asks the gate.",
        "A server is started when it is first needed, without the environment of this one, and ends with it; one that does not start hides no other tool.",
        "",
        "```yaml",
        "tools:",
        "  files:",
        "    command: [node, /opt/mcp/server-filesystem/dist/index.js, /srv/shop]",
        "    tools: {read_text_file: read, list_directory: read, write_file: write}",
        "    fingerprint: 5f0c…          # refuse to use it when its tools change",
        "```",
        "",
        "## PagerDuty and Confluence",
        "",
        "`PAGERDUTY_API_KEY` adds four tools, `CONFLUENCE_BASE_URL` together with `CONFLUENCE_API_TOKEN` three; an investigation sees the reading ones.",
        "PagerDuty takes changes only in somebody's name: `PAGERDUTY_FROM_EMAIL`.",
        "`PAGERDUTY_SERVICE_ID` is the service for new incidents; `PAGERDUTY_URL` is another base address, such as `https://api.eu.pagerduty.com`.",
        "In Confluence's cloud the address ends in `/wiki` and `CONFLUENCE_USER_EMAIL` names the account; without it the token is sent as a personal access token of a Data Center.",
        "Pages are made in `CONFLUENCE_SPACE_KEY` (`SRE`) below `CONFLUENCE_PARENT_PAGE_ID`, and `write_postmortem` then refers to Confluence.",
        "",
        "Of one deduplication key one incident is open; a note that is there is not written again; a page carries a key by which it is known again.",
        "So a lost answer or a crash repeats nothing.",
        "What passes (429, 5xx, a cut connection) is tried up to four times within 15 seconds, and `Retry-After` is obeyed or the call given up; every other error says what to do about it.",
        "Texts are masked before they leave.",
        "",
        "## The tools",
        "",
        "| tool | there with | phase | effect |",
        "| --- | --- | --- | --- |",
    ]
    groups = {
        "": registry.TOOLS,
        "an Alertmanager": registry.SILENCES,
        "`PAGERDUTY_API_KEY`": registry.PAGERDUTY,
        "`CONFLUENCE_BASE_URL` and `CONFLUENCE_API_TOKEN`": registry.CONFLUENCE,
    }
    for needed, group in groups.items():
        for tool in group:
            spec = tool.spec
            effect = "reads" if spec.phase is Phase.INVESTIGATE else "writes"
            lines.append(
                f"| [`{spec.name}`](#{spec.name}) | {needed or 'always'} | {spec.phase} | {effect} |"
            )
    for tool in (tool for group in groups.values() for tool in group):
        spec = tool.spec
        lines += ["", f"## {spec.name}", "", spec.description, ""]
        fields = spec.input.model_fields
        if fields:
            lines += ["| argument | default | meaning |", "| --- | --- | --- |"]
        for name, field in fields.items():
            text = " ".join((field.description or "").split()).replace("|", "or")
            lines.append(f"| `{name}` | {_default(field)} | {text} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "metrics.md": metrics,
    "cli.md": cli,
    "tools.md": tools,
    "policy.schema.json": lambda: as_json(schema.policy_schema()),
    "policy-test.schema.json": lambda: as_json(schema.cases_schema()),
    "../deploy/grafana/sre-daemon.json": dashboard.dashboard_json,
    "man/sre-daemon.1": lambda: manpage(typer.main.get_command(app)),
}


def main() -> int:
    """Write, or compare; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true")
    mode.add_argument("--check", action="store_true")
    write = parser.parse_args().write
    stale = []
    for name, make in PAGES.items():
        page, text = DOCS / name, make()
        if write:
            page.write_text(text, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
