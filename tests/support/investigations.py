"""Requests, tool servers and recorders for tests that run an investigator."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sre_daemon.agent.base import Request, SpentStep, Step, TextStep, ToolStep
from sre_daemon.agent.bounds import Bounds
from sre_daemon.domain.alert import Alert, AlertStatus
from sre_daemon.domain.run import ToolCall
from sre_daemon.toolclient import ToolServer
from tests.support.runbooks import WORLD

STAND_IN = Path(__file__).with_name("tool_stand_in.py")


def stand_in(folder: Path, world: Mapping[str, Any] = WORLD, mode: str = "") -> ToolServer:
    """A fast tool server that answers from `world`."""
    file = folder / "world.json"
    file.write_text(json.dumps(world))
    command = (sys.executable, "-IS", str(STAND_IN))
    return ToolServer(command, {"STAND_IN_WORLD": str(file), "STAND_IN_MODE": mode}, folder)


def make_request(
    summary: str = "connections run out", seconds: float = 30, **labels: str
) -> Request:
    """An investigation of one alert."""
    named = {"alertname": "ApiDbPoolExhausted", "service": "api-server"} | labels
    alert = Alert(
        labels=named,
        status=AlertStatus.FIRING,
        starts_at=datetime(2026, 1, 2, tzinfo=UTC),
        annotations={"summary": summary},
    )
    return Request("r1", "i1", (alert,), Bounds(timedelta(seconds=seconds)))


class Recorder:
    """An `on_step` that keeps what it is given."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    async def __call__(self, step: Step) -> None:
        self.steps.append(step)

    @property
    def calls(self) -> list[ToolStep]:
        """The tool calls."""
        return [step for step in self.steps if isinstance(step, ToolStep)]

    @property
    def texts(self) -> list[str]:
        """What was said."""
        return [step.text for step in self.steps if isinstance(step, TextStep)]

    @property
    def spent(self) -> list[SpentStep]:
        """What it cost so far, after each model call."""
        return [step for step in self.steps if isinstance(step, SpentStep)]

    @property
    def recorded(self) -> dict[str, ToolCall]:
        """The calls that succeeded, as the pipeline records them."""
        return {
            step.call: ToolCall(
                "r1",
                step.call,
                step.tool,
                step.arguments,
                step.output,
                step.is_error,
                step.seconds,
                datetime(2026, 1, 2, tzinfo=UTC),
            )
            for step in self.calls
            if not step.is_error
        }
