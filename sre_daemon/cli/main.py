"""The commands. Exit codes: 0 done, 1 the answer is no, 2 wrong usage or configuration, 3 nobody answers."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from sre_daemon import __version__
from sre_daemon.cli import output
from sre_daemon.cli.client import Client, Declined, Unreachable
from sre_daemon.clock import SystemClock
from sre_daemon.domain.effect import EffectInvalid, from_json
from sre_daemon.errors import ConfigError, DaemonError
from sre_daemon.settings import client_environment

app = typer.Typer(
    name="sre-daemon",
    help="Answers Prometheus alerts by itself, under a policy.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
incident = typer.Typer(help="Look at incidents.", no_args_is_help=True)
policy = typer.Typer(help="Ask the policy.", no_args_is_help=True)
app.add_typer(incident, name="incident")
app.add_typer(policy, name="policy")

Config = Annotated[Path, typer.Option("--config", help="The settings file.")]
Url = Annotated[str, typer.Option("--url", help="The daemon; default SRE_DAEMON_URL.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


@app.command()
def serve(config: Config) -> None:
    """Run the daemon."""
    # Late: the other commands need none of it and should answer at once.
    from sre_daemon.cli.run import serve as run_daemon

    raise typer.Exit(run_daemon(config))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Settings, policies, runbooks.")],
) -> None:
    """Check files; exit 0 fine, 1 warnings, 2 errors."""
    from sre_daemon.cli.check import check as look_at

    findings = look_at(files)
    for line in findings.checked:
        output.say(f"ok       {line}")
    for line in findings.warnings:
        output.say(f"warning  {line}")
    for failure in findings.errors:
        output.complain(failure)
    raise typer.Exit(findings.exit_code)


@incident.command("list")
def incident_list(
    state: Annotated[list[str] | None, typer.Option(help="Only in this state.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only with k=v.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    url: Url = "",
    json: Json = False,
) -> None:
    """The incidents, newest first."""
    params = [("limit", str(limit))]
    params += [("state", item) for item in state or []]
    params += [("label", item) for item in label or []]
    answer = _client(url).get("/incidents", params)
    if json:
        output.say_json(answer)
    elif answer["incidents"]:
        output.out.print(output.incidents_table(answer["incidents"]))
    else:
        output.say("no incidents")


@incident.command("show")
def incident_show(
    name: Annotated[str, typer.Argument(metavar="ID")], url: Url = "", json: Json = False
) -> None:
    """One incident with its timeline."""
    client = _client(url)
    item = client.get(f"/incidents/{name}")
    events = client.get(f"/incidents/{name}/timeline")["events"]
    if json:
        output.say_json({**item, "timeline": events})
        return
    output.say(f"{item['title']}  [{item['state']}, {item['severity']}]")
    if item["diagnosis"]:
        output.say(f"cause: {item['diagnosis']['root_cause'] or 'not found'}")
    for event in events:
        output.say(f"{event['at'][11:19]}  {event['kind']:<13} {event['summary']}")
    if item["postmortem"]:
        output.say(f"post-mortem: {item['postmortem']}")


@policy.command("explain")
def policy_explain(
    alert: Annotated[list[str], typer.Option("--alert", help="A label of the alert: k=v.")],
    policy_file: Annotated[Path | None, typer.Option("--policy", help="The policy file.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Or the settings file.")] = None,
    at: Annotated[datetime | None, typer.Option(help="At this time (UTC).")] = None,
    effect: Annotated[list[str] | None, typer.Option(help="An effect, as JSON.")] = None,
    json: Json = False,
) -> None:
    """Which policy decides about an alert, and why it would allow or deny."""
    from sre_daemon.policy.explain import explain

    labels = dict(pair.split("=", 1) for pair in alert if "=" in pair)
    if len(labels) != len(alert):
        raise ConfigError("a label is given as --alert name=value")
    answer = explain(
        _load_policy(policy_file, config),
        labels,
        at or SystemClock().now(),
        [_effect(text) for text in effect or []],
    )
    if json:
        output.say_json(answer)
    else:
        _print_explanation(answer)
    raise typer.Exit(0 if answer["verdict"] == "allow" or (answer["allows"] and not effect) else 1)


def _load_policy(policy_file: Path | None, config: Path | None) -> Any:
    from sre_daemon.policy import file
    from sre_daemon.settings import load

    if policy_file is None and config is None:
        raise ConfigError("no policy named", "give --policy FILE, or --config FILE")
    path = policy_file or load(config or Path()).policy
    return None if path is None else file.load(path)


def _effect(text: str) -> Any:
    import json

    try:
        return from_json(json.loads(text))
    except (ValueError, EffectInvalid) as failure:
        raise ConfigError(f"{text!r} is no effect: {failure}") from None


def _print_explanation(answer: dict[str, Any]) -> None:
    output.say(f"mode    {answer['mode']}")
    output.say(f"policy  {answer['policy'] or 'none matches'}")
    for line in answer["trail"]:
        output.say(f"        {line}")
    for allow in answer["allows"]:
        kind = allow["effect"]
        rest = ", ".join(f"{k} {v}" for k, v in allow.items() if k != "effect")
        output.say(f"allows  {kind}: {rest}")
    output.say(f"verdict {answer['verdict']} ({answer['reason']}): {answer['message']}")


@app.command()
def pause(reason: Reason, url: Url = "") -> None:
    """Change nothing from now on; investigations go on."""
    _client(url).post("/pause", {"reason": reason})
    output.say("paused: nothing is changed until `sre-daemon resume`")


@app.command()
def resume(reason: Reason, url: Url = "") -> None:
    """Undo a pause."""
    _client(url).post("/resume", {"reason": reason})
    output.say("resumed")


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def tools(
    context: typer.Context,
    transport: Annotated[str, typer.Option(help="stdio or http.")] = "stdio",
    phase: Annotated[str, typer.Option(help="investigate or remediate.")] = "investigate",
) -> None:
    """The tool server alone, for any MCP client; further options go to it (see `sre-tools --help`)."""
    arguments = ["--transport", transport, "--phase", phase, *context.args]
    os.execv(sys.executable, [sys.executable, "-m", "mcp_tools", *arguments])  # noqa: S606


@app.command()
def version() -> None:
    """The version."""
    output.say(__version__)


def _client(url: str) -> Client:
    known, token = client_environment()
    return Client(url or known, token)


def run() -> None:
    """The entry point: errors on purpose become one line, what to do, and an exit code."""
    try:
        app()
    except Unreachable as failure:
        output.complain(failure)
        sys.exit(3)
    except Declined as failure:
        output.complain(failure)
        sys.exit(1)
    except DaemonError as failure:
        output.complain(failure)
        sys.exit(2 if isinstance(failure, ConfigError) else 3)


if __name__ == "__main__":
    run()
