"""What an investigator is asked, what it reports on the way, what it answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from sre_daemon.domain.alert import Alert
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.run import Usage


@dataclass(frozen=True, slots=True)
class Request:
    """One investigation.

    `facts` is what code already knows (title: text), put into the prompt as data. `question` is
    set when a person asks in free text; the alerts may then be empty.
    """

    run_id: str
    incident_id: str
    alerts: Sequence[Alert]
    deadline: timedelta
    facts: Mapping[str, str] = field(default_factory=dict)
    question: str = ""


@dataclass(frozen=True, slots=True)
class ToolStep:
    """A tool call that has ended. `call` is the tool server's name for it ("c3")."""

    call: str
    tool: str
    arguments: Mapping[str, object]
    output: str
    is_error: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class TextStep:
    """Something the investigator said on the way."""

    text: str


Step = ToolStep | TextStep
OnStep = Callable[[Step], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Report:
    """The answer. Evidence in the diagnosis is not yet checked: the pipeline does that.

    `engine` and `model` are who gave it, where several may have been asked.
    """

    diagnosis: Diagnosis
    engine: str
    model: str = ""
    usage: Usage = field(default_factory=Usage)


class Investigator(Protocol):
    """Finds the cause; changes nothing."""

    @property
    def engine(self) -> str:
        """`claude` or `runbook`."""
        ...

    @property
    def model(self) -> str:
        """The model's name, or empty."""
        ...

    async def investigate(self, request: Request, on_step: OnStep) -> Report:
        """Run to a diagnosis.

        Raises:
            AgentError: one of its subclasses says why there is none.
        """
        ...
