"""`policy`: asks a policy file, or the running daemon, what would be allowed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from sre_daemon.cli import backtest, cases, levels, options, output
from sre_daemon.cli.client import connect
from sre_daemon.clock import SystemClock
from sre_daemon.policy import asking, file, schema
from sre_daemon.policy.explain import explain
from sre_daemon.policy.question import Question
from sre_daemon.settings import load

app = typer.Typer(help="Ask the policy.", no_args_is_help=True)
app.command("test")(cases.run_cases)
app.command("backtest")(backtest.run_backtest)
app.command("restore")(levels.run_restore)


@app.command("explain")
def policy_explain(
    alert: Annotated[list[str], typer.Option("--alert", help="A label of the alert: k=v.")],
    policy_file: Annotated[Path | None, typer.Option("--policy", help="The policy file.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Or the settings file that names it.")
    ] = None,
    at: Annotated[str, typer.Option(help="At this time, e.g. 2026-05-01T14:00:00Z.")] = "",
    effect: Annotated[list[str] | None, typer.Option(help=f"{asking.SHORT}.")] = None,
    url: options.Url = "",
    json: options.Json = False,
) -> None:
    """Which policy decides about an alert, and why it would allow or deny.

    Without --policy and --config the running daemon is asked, with what it did lately unless --at
    names another time. Exit 0 allowed (without --effect: something is), 1 not.
    """
    labels = options.labels(alert)
    effects = [options.effect(text) for text in effect or []]
    moment = options.moment(at) if at else SystemClock().now()
    if policy_file is None and config is None:
        params = [("label", pair) for pair in alert] + [("effect", text) for text in effect or []]
        answer = connect(url).get("/policy/explain", params + ([("at", at)] if at else []))
    else:
        question = Question(alerts=(labels,), effects=effects, at=moment)
        answer = explain(_policy(policy_file, config), question)
    if json:
        output.say_json(answer)
    else:
        _say(answer)
    possible = answer["autonomy"] == "auto" and bool(answer["allows"])
    raise typer.Exit(0 if answer["verdict"] == "allow" or (possible and not effects) else 1)


@app.command("schema")
def policy_schema(
    cases_: Annotated[
        bool, typer.Option("--cases", help="Of the file of `policy test` instead.")
    ] = False,
) -> None:
    """Print the JSON schema of the policy file, for editors."""
    output.say_json(schema.cases_schema() if cases_ else schema.policy_schema())


def _policy(policy_file: Path | None, config: Path | None) -> file.Policy | None:
    path = policy_file
    if path is None and config is not None:
        path = load(config).policy
    return None if path is None else file.load(path)


def _say(answer: Mapping[str, Any]) -> None:
    output.say(answer["mode"], "mode", 9)
    output.say(answer["policy"] or "none matches", "policy", 9)
    output.say(answer["autonomy"] or "none", "autonomy", 9)
    for line in answer["lines"]:
        output.say(f"  {line}")
    for allow in answer["allows"]:
        rest = ", ".join(f"{key} {_bounds(v)}" for key, v in allow.items() if key != "effect")
        output.say(f"{allow['effect']}: {rest}" if rest else allow["effect"], "allows", 9)
    output.say(f" ({answer['reason']}): {answer['message']}", answer["verdict"])


def _bounds(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_within(bound)}" for name, bound in value.items())
    if isinstance(value, list):
        return "|".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _within(value: object) -> str:
    return f"({_bounds(value)})" if isinstance(value, Mapping) else _bounds(value)
