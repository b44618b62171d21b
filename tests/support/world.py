"""A store as plain dictionaries: applies what correlation decides, one notification at a time."""

from dataclasses import replace
from itertools import count

from sre_daemon.domain.lifecycle import State
from sre_daemon.intake.correlate import Correlator
from sre_daemon.intake.rules import Rules
from sre_daemon.store.base import Known


class World:
    """What is known, growing with every notification."""

    def __init__(self, rules=None):
        numbers = count()
        self.correlator = Correlator(rules or Rules(), lambda _: f"i-{next(numbers):04}")
        self.incidents = {}
        self.episodes = []
        self.events = []
        self.heartbeat = None

    def known(self, notifications):
        """As the store would read it."""
        newest = {}
        for item in self.episodes:
            newest[item.alert.identity] = item
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
        waiting = sum(i.state is State.TRIGGERED for i in self.incidents.values())
        return Known(newest, open_incidents, dict(self.incidents), open_alerts, waiting)

    def say(self, *notifications):
        """One batch; the actions that were counted, without zeros."""
        writes = self.correlator.decide(notifications, self.known(notifications))
        for incident in (*writes.opened, *writes.updated):
            self.incidents[incident.id] = incident
        for episode in writes.episodes:
            self._write(episode)
        self.events += writes.events
        self.heartbeat = writes.heartbeat or self.heartbeat
        return {name: number for name, number in writes.actions.items() if number}

    def _write(self, episode):
        for place, item in enumerate(self.episodes):
            same = item.alert.identity == episode.alert.identity
            if same and (item.open or item.first_seen == episode.first_seen):
                self.episodes[place] = episode
                return
        self.episodes.append(episode)

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
