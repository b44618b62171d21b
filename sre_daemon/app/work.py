"""The gate, the executor, the stages, and the worker that drives them."""

from contextlib import AsyncExitStack
from pathlib import Path

from sre_daemon.app.agent import Agent, bounds_for, surroundings_for
from sre_daemon.app.foundation import Base
from sre_daemon.app.traces import recorder_for
from sre_daemon.app.trust import record_for
from sre_daemon.domain.incident import Incident
from sre_daemon.executor.executor import Executor
from sre_daemon.executor.gate import Gate
from sre_daemon.executor.guardrails import GuardrailFile
from sre_daemon.executor.hands import ProcessHands
from sre_daemon.executor.targets import Targets
from sre_daemon.notify.notifier import Notifier
from sre_daemon.pipeline.approve import Approve
from sre_daemon.pipeline.baseline import Restoration
from sre_daemon.pipeline.build import Stages
from sre_daemon.pipeline.close import Close
from sre_daemon.pipeline.decide import Decide, Eyes, Patience
from sre_daemon.pipeline.investigate import Investigate
from sre_daemon.pipeline.remediate import Remediate
from sre_daemon.pipeline.stage import Next
from sre_daemon.pipeline.triage import Triage
from sre_daemon.pipeline.undo import Undo
from sre_daemon.pipeline.verify import Verify
from sre_daemon.pipeline.worker import Worker
from sre_daemon.report.postmortem import Postmortem
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.samples import Samples


def gate_socket(base: Base) -> Path:
    """Private to the daemon, or beside the host of the tools, which asks from another user."""
    host = base.settings.tool_host
    return (base.data if host is None else host.parent) / "gate.sock"


async def start_worker(
    stack: AsyncExitStack, base: Base, agent: Agent, notifier: Notifier
) -> Worker:
    """The gate, the executor and the stages, and the worker that drives them."""
    store, clock, metrics, known = base.store, base.clock, base.metrics, base.settings
    approvals = Approvals(base.database)
    record = record_for(base)
    gate = Gate(gate_socket(base), store, record, base.policy, base.observer, clock, metrics)
    gate.hold_to(GuardrailFile(known.guardrails))
    await gate.start()
    if known.tool_host is not None:
        gate.socket.chmod(0o660)
    stack.push_async_callback(gate.stop)
    hands = ProcessHands(base.tools, gate.socket)
    executor, targets = Executor(store, gate, hands, clock, metrics), Targets(hands)
    undo = Undo(store, executor, Restoration(store, base.observer, clock), clock, metrics)
    stages = Stages(
        Triage(store, base.observer, record, clock),
        Investigate(
            store,
            agent.director,
            surroundings_for(base, agent),
            base.policy,
            bounds_for(known.agent),
            clock,
            metrics,
        ),
        Decide(
            store,
            base.policy,
            Eyes(base.observer, targets),
            record,
            Patience(known.correlation.flaps, known.approvals.expiry),
            clock,
            metrics,
        ),
        Approve(approvals, targets, clock, metrics),
        Remediate(store, approvals, executor, undo, clock),
        Verify(store, base.observer, undo, record, clock, metrics),
        Close(
            Postmortem(store, Samples(base.database), base.data / "postmortems"),
            known.correlation.linger,
            clock,
        ),
    )

    traces = recorder_for(stack, base)

    async def moved(before: Incident, after: Incident, _: Next) -> None:
        notifier.wake()
        if traces is not None:
            base.tasks.spawn("traces", traces.moved(before, after))

    worker = Worker(
        store,
        stages.table(),
        owner=base.replica,
        settings=known.worker,
        clock=clock,
        metrics=metrics,
        on_move=moved,
    )
    worker.start(base.tasks)
    base.tasks.spawn("listener", store.listen(worker.wake))
    stack.push_async_callback(base.tasks.stop)
    return worker
