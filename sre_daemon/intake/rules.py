"""How alerts are put together: the settings of correlation, as a value."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """`labels`: alerts with the same values of all of these are one incident, whatever their group.

    `debounce`: an incident that is not critical is taken up only this long after its first alert,
    so that what stops by itself costs nothing. `storm`: with this many incidents waiting or opened
    within `storm_window`, new ones become members of one storm. `flaps`: an alert with this many
    episodes within `flap_window`, or an incident that came back this often, is flapping, and stays
    with a person until it is quiet. `late`: how long after a resolution a firing with an old start
    may be a late copy; at least what the Alertmanagers of one cluster may hold back, which is
    (peers - 1) x peer-timeout + group_interval + a minute. `aftermath`: how long after a repair new
    alerts about what it changed are taken for its consequences. `watchdog`: the alert that fires
    always.
    """

    labels: tuple[str, ...] = ()
    debounce: timedelta = timedelta(seconds=2)
    storm: int = 25
    storm_window: timedelta = timedelta(minutes=1)
    flaps: int = 3
    flap_window: timedelta = timedelta(minutes=30)
    late: timedelta = timedelta(minutes=6)
    aftermath: timedelta = timedelta(minutes=10)
    watchdog: str = "Watchdog"

    @property
    def memory(self) -> timedelta:
        """How long after its end an episode still says something about the next report."""
        return max(self.late, self.flap_window)
