"""What takes a set of applied effects back: pure, from records to effects."""

from collections.abc import Sequence

from sre_daemon.domain.effect import ConfigSet, Effect, ServiceRedeploy, ServiceRestart
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState


def inverse(records: Sequence[EffectRecord]) -> list[Effect]:
    """Undo the applied configuration changes, last first, then let the services pick that up.

    Services are redeployed or restarted again only when a configuration was taken back: a bare
    restart has nothing to undo. A failed effect counts as applied where it may have happened.
    """
    touched = {EffectState.APPLIED, EffectState.INTENDED}
    applied = [
        record.effect
        for record in records
        if record.direction is Direction.FORWARD and record.state in touched
    ]
    undone: list[Effect] = [
        effect.inverse() for effect in reversed(applied) if isinstance(effect, ConfigSet)
    ]
    if not undone:
        return []
    begun = [
        record.effect
        for record in records
        if record.direction is Direction.FORWARD
        and record.state is not EffectState.PLANNED
        and record.state is not EffectState.REFUSED
    ]
    services: list[Effect] = [
        effect for effect in begun if isinstance(effect, ServiceRedeploy | ServiceRestart)
    ]
    return undone + services
