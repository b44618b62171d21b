"""The commands. Exit codes: 0 done, 1 the answer is no, 2 wrong usage or configuration, 3 nobody answers."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from sre_daemon import __version__
from sre_daemon.cli import audit, data, drill, incident, options, output, policy, tools
from sre_daemon.cli import investigate as investigation
from sre_daemon.cli.client import Declined, connect
from sre_daemon.cli.options import Config, Json, Reason, Url
from sre_daemon.errors import ConfigError, DaemonError

app = typer.Typer(
    name="sre-daemon",
    help="Answers Prometheus alerts by itself, under a policy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(incident.app, name="incident")
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")
app.command()(investigation.investigate)
app.command()(data.backup)
app.command()(data.restore)
app.command()(data.replay)
app.command()(drill.drill)
app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(
    tools.tools
)


@app.command()
def serve(config: Config) -> None:
    """Run the daemon. SIGTERM stops it, SIGHUP puts the policy file in force."""
    # Late: the other commands need none of it and should answer at once.
    from sre_daemon.cli.run import serve as run_daemon

    raise typer.Exit(run_daemon(config))


@app.command()
def digest(
    since: Annotated[str, typer.Option(help="How far back, such as 24h, 7d or 30d.")] = "24h",
    url: Url = "",
) -> None:
    """What fired, what was repaired, refused, what waits, and what it cost, as Markdown."""
    hours = options.period(since) // timedelta(hours=1)
    output.say(connect(url).get("/digest", [("hours", str(hours))])["markdown"].rstrip())


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(help="Settings, policies, guardrails, runbooks, folders.")
    ],
    json: Json = False,
) -> None:
    """Check files, and those that settings name; exit 0 fine, 1 warnings, 2 errors."""
    from sre_daemon.cli.check import check as look_at

    findings = look_at(files)
    if json:
        errors = [{"reason": item.reason, "hint": item.hint} for item in findings.errors]
        output.say_json(
            {"checked": findings.checked, "warnings": findings.warnings, "errors": errors}
        )
        raise typer.Exit(findings.exit_code)
    for line in findings.checked:
        output.say(line, "ok", 9)
    for line in findings.warnings:
        output.say(line, "warning", 9)
    for failure in findings.errors:
        output.complain(failure)
    raise typer.Exit(findings.exit_code)


@app.command()
def pause(reason: Reason, url: Url = "", json: Json = False) -> None:
    """Change nothing from now on; investigations go on. It survives a restart."""
    answer = connect(url).post("/pause", {"reason": reason})
    if json:
        output.say_json(answer)
    else:
        output.say("paused: nothing is changed until `sre-daemon resume`")


@app.command()
def resume(reason: Reason, url: Url = "", json: Json = False) -> None:
    """Undo a pause."""
    answer = connect(url).post("/resume", {"reason": reason})
    if json:
        output.say_json(answer)
    else:
        output.say("resumed")


@app.command()
def version(json: Json = False) -> None:
    """The version."""
    if json:
        output.say_json({"version": __version__})
    else:
        output.say(__version__)


def run() -> None:
    """The entry point: errors on purpose become one line, what to do, and an exit code."""
    try:
        app()
    except DaemonError as failure:
        output.complain(failure)
        sys.exit(exit_code(failure))


def exit_code(failure: DaemonError) -> int:
    """1 the answer is no, 2 configuration, 3 something that we depend on does not work."""
    if isinstance(failure, ConfigError):
        return 2
    return 1 if isinstance(failure, Declined) else 3


if __name__ == "__main__":
    run()
