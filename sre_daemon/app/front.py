"""The HTTP server."""

from contextlib import AsyncExitStack

from sre_daemon.app.foundation import Base
from sre_daemon.control import Control
from sre_daemon.intake.payload import parse
from sre_daemon.intake.receiver import Intake
from sre_daemon.pipeline.answers import Answers
from sre_daemon.pipeline.conversation import Conversation
from sre_daemon.pipeline.handover import Handover
from sre_daemon.pipeline.worker import Worker
from sre_daemon.settings import load_people, load_senders
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.feed import Feed
from sre_daemon.store.hands import Hands
from sre_daemon.web.front import Front
from sre_daemon.web.live import Live
from sre_daemon.web.server import build, listen


async def start_front(
    stack: AsyncExitStack,
    base: Base,
    intake: Intake,
    control: Control,
    worker: Worker,
    conversation: Conversation,
) -> str:
    """The HTTP server; its address."""
    feed = Feed(base.database)
    live = Live(feed, base.clock)
    base.tasks.spawn("live", live.run())
    front = Front(
        store=base.store,
        intake=intake,
        parse=parse,
        control=control,
        handover=Handover(base.store, worker, base.clock),
        conversation=conversation,
        hands=Hands(base.database),
        answers=Answers(Approvals(base.database), worker, base.clock, base.metrics),
        clock=base.clock,
        metrics=base.metrics,
        receiver=base.settings.receiver,
        senders=load_senders(base.settings, base.secrets),
        people=load_people(base.settings, base.secrets),
        audit=base.audit,
        feed=feed,
        live=live,
        paused=lambda: base.store.switch("paused"),
    )
    runner, url = await listen(build(front), base.settings.host, base.settings.port)
    stack.push_async_callback(runner.cleanup)
    return url
