"""The HTTP server."""

import hashlib
import secrets
from contextlib import AsyncExitStack

from sre_daemon import documents
from sre_daemon.agent.runbook import load as load_runbooks
from sre_daemon.app.foundation import Base, reveal
from sre_daemon.app.trust import record_for
from sre_daemon.control import Control
from sre_daemon.intake.payload import parse
from sre_daemon.intake.receiver import Intake
from sre_daemon.pipeline.answers import Answers
from sre_daemon.pipeline.conversation import Conversation
from sre_daemon.pipeline.handover import Handover
from sre_daemon.pipeline.paging import Paging
from sre_daemon.pipeline.worker import Worker
from sre_daemon.report.digest import Digests
from sre_daemon.report.rules import RuleBook
from sre_daemon.settings import load_people, load_senders
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.feed import Feed
from sre_daemon.store.hands import Hands
from sre_daemon.store.history import History
from sre_daemon.store.samples import Samples
from sre_daemon.store.threads import Threads
from sre_daemon.store.trials import Trials
from sre_daemon.web.front import Front, Page
from sre_daemon.web.live import Live
from sre_daemon.web.pagerduty import Paged
from sre_daemon.web.proxy import Proxy
from sre_daemon.web.server import build, listen
from sre_daemon.web.slack import Signed


async def start_front(
    stack: AsyncExitStack,
    base: Base,
    intake: Intake,
    control: Control,
    worker: Worker,
    conversation: Conversation,
    slack: Signed | None,
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
        levels=record_for(base),
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
        samples=Samples(base.database),
        runbooks=lambda: _runbooks(base),
        rules=RuleBook(base.policy, History(base.database), Trials(base.database), base.clock),
        digest=Digests(History(base.database), base.clock),
        form_key=_form_key(base),
        proxy=_proxy(base),
        slack=slack,
        paging=_paging(base),
    )
    runner, url = await listen(build(front), base.settings.host, base.settings.port)
    stack.push_async_callback(runner.cleanup)
    return url


def _paging(base: Base) -> Paged | None:
    """The door for PagerDuty, where there is a secret for it."""
    known = reveal(base.secrets.pagerduty_webhook_secret).split()
    if not known:
        return None
    seen = Threads(base.database)
    return Paged(known, Paging(base.store, Hands(base.database), seen, base.clock))


def _runbooks(base: Base) -> list[Page]:
    """As they are on disk now."""
    return [
        Page(
            name=item.name,
            description=item.front.description,
            matchers=[str(matcher) for matcher in item.matchers],
            text=documents.read(item.path),
            steps=len(item.front.investigate),
        )
        for item in load_runbooks(base.settings.runbooks)
    ]


def _form_key(base: Base) -> bytes:
    """Made of the secrets that all replicas share; without any there is one replica."""
    tokens = sorted(load_people(base.settings, base.secrets))
    tokens += sorted(load_senders(base.settings, base.secrets))
    shared = "\0".join(tokens)
    if not tokens:
        return secrets.token_bytes(32)
    return hashlib.sha256(b"sre-daemon forms\0" + shared.encode()).digest()


def _proxy(base: Base) -> Proxy | None:
    known = base.settings.console.proxy
    if known is None:
        return None
    return Proxy(
        trusted=known.trusted,
        user_header=known.user_header,
        groups_header=known.groups_header,
        roles=dict(known.roles),
        everybody=known.everybody,
    )
