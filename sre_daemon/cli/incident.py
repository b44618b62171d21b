"""`incident`: looks at the incidents of a running daemon, and hands them over."""

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from sre_daemon.cli import output
from sre_daemon.cli.client import Declined, connect
from sre_daemon.cli.options import Json, Reason, Url
from sre_daemon.errors import ConfigError

app = typer.Typer(help="Look at incidents, and hand them over.", no_args_is_help=True)
# An answer is found by an agent, within three minutes of its own and some of waiting.
ANSWER_SECONDS = 240.0
Digest = Annotated[
    str, typer.Option(help="Only if the proposal is still the one with this digest.")
]
Name = Annotated[str, typer.Argument(metavar="ID", help="Of the incident.")]


@app.command("list")
def incident_list(
    state: Annotated[list[str] | None, typer.Option(help="Only in this state.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only with k=v.")] = None,
    query: Annotated[str, typer.Option(help="Only with this in the title.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    url: Url = "",
    json: Json = False,
) -> None:
    """The incidents, newest first."""
    params = [("limit", str(limit)), ("q", query)]
    params += [("state", item) for item in state or []]
    params += [("label", item) for item in label or []]
    answer = connect(url).get("/incidents", params)
    if json:
        output.say_json(answer)
    elif answer["incidents"]:
        output.say_incidents(answer["incidents"])
    else:
        output.say("no incidents")


@app.command("show")
def incident_show(
    name: Name,
    url: Url = "",
    json: Json = False,
) -> None:
    """One incident with its timeline."""
    client = connect(url)
    path = _path(name)
    item = client.get(path)
    events = client.get(f"{path}/timeline")["events"]
    if json:
        output.say_json({**item, "timeline": events})
        return
    output.say(f"{item['title']}")
    output.say(f" {item['severity']}, began {item['created_at'][:19]} UTC", item["state"])
    _say_diagnosis(item["diagnosis"])
    if item["approval"] is not None and item["state"] == "awaiting_approval":
        _say_approval(item["approval"])
    for record in item["effects"]:
        effect = dict(record["effect"])
        kind = effect.pop("effect")
        fields = ", ".join(f"{key} {value}" for key, value in effect.items())
        output.say(f"{record['state']}: {record['direction']} {kind}: {fields}", "effect", 13)
    output.say()
    for event in events:
        output.say(f"  {event['kind']:<13} {event['summary']}", event["at"][11:19])
    if item["postmortem"]:
        output.say()
        output.say(item["postmortem"], "post-mortem", 13)


@app.command("approve")
def incident_approve(
    name: Name,
    digest: Digest = "",
    reason: Annotated[str, typer.Option(help="Why, if you want; it is recorded.")] = "",
    url: Url = "",
    json: Json = False,
) -> None:
    """Let the daemon do exactly what it proposes; on a terminal it is shown and asked first."""
    _answer(name, "approve", digest, reason, url, json)


@app.command("reject")
def incident_reject(
    name: Name, reason: Reason, digest: Digest = "", url: Url = "", json: Json = False
) -> None:
    """Say no to what the daemon proposes; the incident is a person's then."""
    _answer(name, "reject", digest, reason, url, json)


def _answer(name: str, answer: str, digest: str, reason: str, url: str, json: bool) -> None:
    client = connect(url)
    asked = client.get(_path(name))["approval"]
    if asked is None:
        raise Declined(f"incident {name} asks for no approval", "`incident show` tells its state")
    if not json:
        _say_approval(asked)
    if not digest and sys.stdin.isatty():
        typer.confirm(f"{answer} this?", abort=True)
    # What was shown: when it is another proposal by now, the daemon refuses.
    body = {"digest": digest or asked["digest"], "reason": reason}
    given = client.post(f"{_path(name)}/{answer}", body)
    if json:
        output.say_json(given)
    else:
        output.say(f"by {given['who']} at {given['decided_at'][:19]} UTC", given["state"], 9)


def _say_approval(asked: Any) -> None:
    for effect in asked["effects"]:
        output.say(effect["says"], "effect", 9)
    output.say(asked["policy"], "policy", 9)
    output.say(f"{asked['expires_at'][:19]} UTC", "until", 9)
    output.say(asked["digest"], "digest", 9)


@app.command("hands-off")
def incident_hands_off(name: Name, reason: Reason, url: Url = "", json: Json = False) -> None:
    """Say that you are at work on it: the daemon changes nothing for it, and takes nothing back."""
    _say_hands(connect(url).post(f"{_path(name)}/hands-off", {"reason": reason}), json)


@app.command("hands-on")
def incident_hands_on(name: Name, reason: Reason, url: Url = "", json: Json = False) -> None:
    """Undo hands-off."""
    _say_hands(connect(url).post(f"{_path(name)}/hands-on", {"reason": reason}), json)


def _say_hands(given: Any, json: bool) -> None:
    if json:
        output.say_json(given)
    else:
        output.say("the daemon keeps its hands off" if given["hands_off"] else "the daemon may act")


@app.command("escalate")
def incident_escalate(name: Name, reason: Reason, url: Url = "", json: Json = False) -> None:
    """Take it over: the daemon stops its work on it, before the next effect of a repair too."""
    _say_moved(connect(url).post(f"{_path(name)}/escalate", {"reason": reason}), json)


@app.command("hand-back")
def incident_hand_back(name: Name, reason: Reason, url: Url = "", json: Json = False) -> None:
    """Give it back: the daemon investigates anew, and repairs where policy and limits allow it."""
    _say_moved(connect(url).post(f"{_path(name)}/hand-back", {"reason": reason}), json)


@app.command("ask")
def incident_ask(
    name: Name,
    question: Annotated[str, typer.Argument(help="In your own words.")],
    url: Url = "",
    json: Json = False,
) -> None:
    """A question about it; the investigator reads more when it must, and changes nothing."""
    answer = connect(url).post(f"{_path(name)}/ask", {"question": question}, ANSWER_SECONDS)
    if json:
        output.say_json(answer)
    else:
        output.say(answer["answer"])


@app.command("export")
def incident_export(
    name: Name,
    target: Annotated[
        Path | None, typer.Option("--output", help="A new file; otherwise it is printed.")
    ] = None,
    url: Url = "",
) -> None:
    """Everything about it as JSON, with the notifications for `replay`."""
    whole = connect(url).get(f"{_path(name)}/export")
    if target is None:
        output.say_json(whole)
        return
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(output.as_json(whole))
    except OSError as failure:
        raise ConfigError(f"{target}: cannot be written: {failure.strerror}") from None
    output.say(f"{target}: {len(whole['notifications'])} notifications")


def _path(name: str) -> str:
    return f"/incidents/{quote(name, safe='')}"


def _say_moved(item: Any, json: bool) -> None:
    if json:
        output.say_json(item)
    else:
        output.say(f" {item['title']}", item["state"])


def _say_diagnosis(diagnosis: Any) -> None:
    if not diagnosis:
        return
    output.say(diagnosis["root_cause"] or "not found", "cause", 13)
    for item in diagnosis["evidence"]:
        found = "found" if item["supported"] else "NOT found"
        output.say(f"{item['claim']} ({found} in {item['call']})", "evidence", 13)
