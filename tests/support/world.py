"""A store as plain dictionaries: applies what correlation decides, one notification at a time."""

from dataclasses import replace
from itertools import count

from sre_daemon.domain.lifecycle import State
from sre_daemon.intake.correlate import Correlator
from sre_daemon.intake.rules import Rules
from sre_daemon.store.base import Known
from tests.support.clock import START


class World:
    """What is known, growing with every notification."""

    def __init__(self, rules=None):
        numbers = count()
        self.correlator = Correlator(rules or Rules(), lambda _: f"i-{next(numbers):04}")
        self.incidents = {}
        self.episodes = []
        self.events = []
        self.suspects = []
        self.touched = {}
        self.heartbeat = None

    def known(self, notifications):
        """As the store would read it."""
        newest, begun = {}, {}
        for item in self.episodes:
            newest[item.alert.identity] = item
            begun.setdefault(item.alert.identity, []).append(item.first_seen)
        keys = self.correlator.keys(notifications)
        open_incidents = {
            i.key: i
            for i in self.incidents.values()
            if i.state is not State.CLOSED and i.key in keys
        }
        open_alerts = {}
        for item in self.episodes:
            if item.open:
                open_alerts[item.incident_id] = open_alerts.get(item.incident_id, 0) + 1
        since = min([item.received_at for item in notifications], default=START)
        since -= self.correlator.horizon.opened
        pressing = sum(
            i.state is State.TRIGGERED or i.created_at > since for i in self.incidents.values()
        )
        return Known(
            newest,
            begun,
            open_incidents,
            dict(self.incidents),
            open_alerts,
            pressing,
            dict(self.touched),
        )

    def say(self, *notifications):
        """One batch; the actions that were counted, without zeros."""
        writes = self.correlator.decide(notifications, self.known(notifications))
        for incident in (*writes.opened, *writes.updated):
            self.incidents[incident.id] = incident
        for episode in writes.episodes:
            self._write(episode)
        self.events += writes.events
        self.suspects += writes.suspects
        self.heartbeat = writes.heartbeat or self.heartbeat
        return {name: number for name, number in writes.actions.items() if number}

    def _write(self, episode):
        if episode.id:
            self.episodes[episode.id - 1] = episode
        else:
            self.episodes.append(replace(episode, id=len(self.episodes) + 1))

    def move(self, state, incident_id=None, **values):
        """A worker did something."""
        incident_id = incident_id or next(iter(self.incidents))
        self.incidents[incident_id] = replace(self.incidents[incident_id], state=state, **values)

    @property
    def incident(self):
        """The only one."""
        (only,) = self.incidents.values()
        return only

    @property
    def open_episodes(self):
        """Those that are not over."""
        return [item for item in self.episodes if item.open]
