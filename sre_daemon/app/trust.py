"""What keeps the record true."""

from sre_daemon import __version__
from sre_daemon.app.foundation import Base, reveal
from sre_daemon.domain.audit import DAEMON, AuditEntry, AuditKind
from sre_daemon.notify.notifier import Notifier
from sre_daemon.pipeline.anchor import Anchor
from sre_daemon.pipeline.record import Record
from sre_daemon.store import heads
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.trials import Trials


def record_for(base: Base) -> Record:
    """The record of policies, the same for whoever asks."""
    brake = base.settings.brake.failures, base.settings.brake.within
    trials, pauses = Trials(base.database), Pauses(base.database)
    return Record(trials, pauses, base.policy, brake, base.clock, base.metrics)


async def record_start(base: Base) -> None:
    """The first line of this process in the audit log."""
    data = {"version": __version__, "replica": base.replica}
    entry = AuditEntry(base.clock.now(), AuditKind.START, DAEMON, "started", data=data)
    await base.audit.record(entry)


def start_anchor(base: Base, notifier: Notifier) -> None:
    """Check and sign the audit log from now on."""
    key = heads.key(base.data, reveal(base.secrets.audit_key))
    anchor = Anchor(base.audit, base.data, key, notifier, base.clock, base.metrics)
    base.tasks.spawn("anchor", anchor.run(base.settings.audit.anchor.total_seconds()))
