"""Two investigators, one after the other: when the first cannot, the second does."""

from dataclasses import replace

import structlog

from sre_daemon.agent.base import Investigator, OnStep, Report, Request, Step, TextStep, ToolStep
from sre_daemon.errors import AgentError

log = structlog.get_logger(__name__)


class FallbackInvestigator:
    """Asks `second` when `first` raises an AgentError; a step of the run says so."""

    def __init__(self, first: Investigator, second: Investigator) -> None:
        self._first = first
        self._second = second

    @property
    def engine(self) -> str:
        """The engine that is asked first."""
        return self._first.engine

    @property
    def model(self) -> str:
        """The model that is asked first."""
        return self._first.model

    async def investigate(self, request: Request, on_step: OnStep) -> Report:
        """See Investigator. When both fail, the first one's error is raised."""
        try:
            return await self._first.investigate(request, on_step)
        except AgentError as failure:
            log.warning("investigator failed", engine=self._first.engine, reason=str(failure))
            await on_step(
                TextStep(
                    f"The {self._first.engine} engine gave no diagnosis: {failure}. "
                    f"The {self._second.engine} engine takes over."
                )
            )
            try:
                return await self._take_over(request, on_step)
            except AgentError as second:
                log.warning("fallback failed", engine=self._second.engine, reason=str(second))
                raise failure from second

    async def _take_over(self, request: Request, on_step: OnStep) -> Report:
        """The second engine starts its own tool server, which counts its calls from c1 again."""

        async def renamed(step: Step) -> None:
            named = replace(step, call=_second(step.call)) if isinstance(step, ToolStep) else step
            await on_step(named)

        report = await self._second.investigate(request, renamed)
        evidence = tuple(
            replace(item, call=_second(item.call)) for item in report.diagnosis.evidence
        )
        return replace(report, diagnosis=replace(report.diagnosis, evidence=evidence))


def _second(call: str) -> str:
    return f"{call}.second"
