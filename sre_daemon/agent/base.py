"""What an investigator is asked, what it reports on the way, what it answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sre_daemon.agent.bounds import Bounds
from sre_daemon.domain.alert import Alert
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.run import Usage


@dataclass(frozen=True, slots=True)
class Request:
    """One investigation.

    `facts` is what code already knows (title: text), put into the prompt as data. `question` is
    set when a person asks in free text; the alerts may then be empty. `deterministic`: the engine
    without a model is asked first.
    """

    run_id: str
    incident_id: str
    alerts: Sequence[Alert]
    bounds: Bounds = field(default_factory=Bounds)
    facts: Mapping[str, str] = field(default_factory=dict)
    question: str = ""
    deterministic: bool = False


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A further question about a run. `session` is what the run's Report called it, or empty;

    `facts` is what an investigator that cannot continue that session must know.
    """

    run_id: str
    question: str
    session: str = ""
    bounds: Bounds = field(default_factory=Bounds)
    facts: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class SpentStep:
    """A call of the model has ended: what the run has used so far."""

    usage: Usage


Step = ToolStep | TextStep | SpentStep
OnStep = Callable[[Step], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Report:
    """The answer. Evidence in the diagnosis is not yet checked: the pipeline does that.

    `engine` and `model` are who gave it, where several may have been asked. `session` continues
    the run in a follow-up.
    """

    diagnosis: Diagnosis
    engine: str
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    session: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a follow-up."""

    text: str
    engine: str
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    session: str = ""


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

    async def follow_up(self, question: FollowUp, on_step: OnStep) -> Reply:
        """Answer a further question about a run, reading more when that is needed.

        Raises:
            AgentError: one of its subclasses says why there is no answer.
        """
        ...
