"""What takes a repair back."""

from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy, ServiceRestart
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.executor.rollback import inverse

SET = ConfigSet("config/a.env", "POOL", "1", "20")
OTHER = ConfigSet("config/a.env", "TIMEOUT", "2", "5")
REDEPLOY = ServiceRedeploy("api")


def records(*pairs, direction=Direction.FORWARD):
    return [
        EffectRecord(n, "i", 1, direction, n, effect, "p", state)
        for n, (effect, state) in enumerate(pairs)
    ]


def test_applied_changes_are_undone_last_first_and_deployed():
    done = EffectState.APPLIED
    assert inverse(records((SET, done), (OTHER, done), (REDEPLOY, done))) == [
        OTHER.inverse(),
        SET.inverse(),
        REDEPLOY,
    ]


def test_refused_redeploy_undoes_the_file_only():
    plan = records((SET, EffectState.APPLIED), (REDEPLOY, EffectState.REFUSED))
    assert inverse(plan) == [SET.inverse()]


def test_failed_redeploy_is_done_again_with_the_old_file():
    plan = records((SET, EffectState.APPLIED), (REDEPLOY, EffectState.FAILED))
    assert inverse(plan) == [SET.inverse(), REDEPLOY]


def test_a_file_that_somebody_else_changed_is_left_alone():
    assert inverse(records((SET, EffectState.FAILED), (REDEPLOY, EffectState.PLANNED))) == []


def test_a_bare_restart_has_nothing_to_undo():
    assert inverse(records((ServiceRestart("api"), EffectState.APPLIED))) == []


def test_rollback_records_are_not_undone_again():
    assert inverse(records((SET, EffectState.APPLIED), direction=Direction.ROLLBACK)) == []
