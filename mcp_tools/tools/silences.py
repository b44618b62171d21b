"""create_silence: mutes one firing alert for a bounded time. An effect, and never wider than the alert."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from mcp_tools.effects import SilenceCreate
from mcp_tools.effects.form import canonical, mark
from mcp_tools.errors import Refused, ToolError
from mcp_tools.redaction import hide
from mcp_tools.spec import Input, Output, Phase, ToolSpec, clean
from mcp_tools.tools.context import Context, shielded

RULE = "silence_too_wide"
MAX_LABELS = 64
MAX_WIRE = 8000
AUTHOR = "sre-daemon"
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Comment = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=250, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]


class SilenceInput(Input):
    """Arguments of create_silence."""

    labels: dict[Name, str] = Field(
        min_length=1,
        max_length=MAX_LABELS,
        description="All labels of the alert, as get_alerts has",
    )
    minutes: int = Field(ge=5, le=1440, description="How long")
    comment: Comment = Field(description="Why, and who takes care meanwhile")


class SilenceOutput(Output):
    """Result of create_silence; `created` is false when exactly it was there already."""

    created: bool
    id: str
    ends_at: str

    def render(self) -> str:
        """For people."""
        word = "Silenced" if self.created else "Silenced already"
        return f"{word} until {self.ends_at} (silence {self.id})."


SILENCE = ToolSpec(
    name="create_silence",
    title="Silence one alert for a while",
    description=(
        "Mute one alert in Alertmanager for 5 minutes to 24 hours. Use it when a person takes care of "
        "the cause and the alert only disturbs. It takes all labels of an alert that is active now, "
        "so that nothing else is muted with it; patterns are not possible. Example: "
        'labels={"alertname": "DiskFull", "instance": "db-1:9100", "severity": "warning"}, '
        'minutes=60, comment="ann replaces the disk".'
    ),
    input=SilenceInput,
    output=SilenceOutput,
    phase=Phase.REMEDIATE,
    seconds=60,
)


async def create_silence(context: Context, arguments: SilenceInput) -> SilenceOutput:
    """Look for the alert, ask the gate, and silence it."""
    matchers = canonical(arguments.labels)
    if len(matchers) > MAX_WIRE:
        raise ToolError(f"The labels are longer than {MAX_WIRE} characters.")
    active = [alert.get("labels") for alert in await context.alertmanager.alerts()]
    if dict(arguments.labels) not in active:
        raise Refused(
            RULE,
            "No alert that Alertmanager has now has exactly these labels.",
            "Take all labels of one alert from get_alerts.",
        )
    effect = SilenceCreate(matchers, str(arguments.minutes), arguments.comment)
    key = key_of(effect)
    async with context.writing, shielded():
        await context.guard.ask(SILENCE.name, [effect])
        found = await _existing(context, key)
        if found is not None:
            return _output(found, created=False)
        try:
            await context.alertmanager.silence(_wire(context, arguments, key))
        except ToolError:
            # Its answer may have been lost on the way.
            if await _existing(context, key) is None:
                raise
        found = await _existing(context, key)
    if found is None:
        raise ToolError("Alertmanager took the silence and does not show it.", "Look at its page.")
    return _output(found, created=True)


def key_of(effect: SilenceCreate) -> str:
    """The name of exactly this silence, in its comment: by it we know it as ours."""
    return mark(effect.matchers, effect.minutes, effect.comment)


def _wire(context: Context, arguments: SilenceInput, key: str) -> dict[str, Any]:
    now = context.now()
    return {
        "matchers": [
            {"name": name, "value": value, "isRegex": False, "isEqual": True}
            for name, value in sorted(arguments.labels.items())
        ],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=arguments.minutes)).isoformat(),
        "createdBy": AUTHOR,
        "comment": f"{hide(clean(arguments.comment))} ({key})",
    }


async def _existing(context: Context, key: str) -> dict[str, Any] | None:
    for silence in await context.alertmanager.silences():
        state = (silence.get("status") or {}).get("state")
        ours = silence.get("createdBy") == AUTHOR
        if ours and state != "expired" and f"({key})" in str(silence.get("comment")):
            return silence
    return None


def _output(silence: Mapping[str, Any], *, created: bool) -> SilenceOutput:
    return SilenceOutput(
        created=created, id=str(silence.get("id", "")), ends_at=str(silence.get("endsAt", ""))
    )
