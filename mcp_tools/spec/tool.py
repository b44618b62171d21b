"""The description of one tool, and the bases of all inputs and outputs."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Phase(StrEnum):
    """Investigating only reads; remediating may also write.

    Restoring takes a change back: it may also put a kept copy back that guardrails forbid.
    """

    INVESTIGATE = "investigate"
    REMEDIATE = "remediate"
    RESTORE = "restore"


class Part(BaseModel):
    """A piece of a result. All of these are built when they are first used: a start waits for none."""

    model_config = ConfigDict(defer_build=True)


class Input(BaseModel):
    """Arguments of a tool; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Output(BaseModel):
    """The structured result. `call` is the server's name for the call, unique in its process."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    call: str = ""

    def render(self) -> str:
        """The same for people, as plain text."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool as the client sees it.

    `seconds` bounds one call. `idempotent` and `destructive` are hints for the client; what may
    really happen is decided by the guard.
    """

    name: str
    title: str
    description: str
    input: type[Input]
    output: type[Output]
    phase: Phase = Phase.INVESTIGATE
    destructive: bool = False
    idempotent: bool = True
    seconds: float = 40

    @property
    def read_only(self) -> bool:
        """Whether the tool can only look."""
        return self.phase is Phase.INVESTIGATE
