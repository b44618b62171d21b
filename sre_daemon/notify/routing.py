"""Who is told what: from news to deliveries, purely. Routes read like Alertmanager's."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.delivery import Delivery, News
from sre_daemon.domain.event import Kind
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import ConfigError
from sre_daemon.policy import matchers
from sre_daemon.settings import NotifySettings

PERSON_NEEDED = (State.AWAITING_APPROVAL, State.ESCALATED, State.RESOLVED)


@dataclass(frozen=True, slots=True)
class Audience:
    """What routing must know of a channel.

    `follows`: it shows an incident as a whole and wants every change of it. `keeps_up` says which
    news of an incident that it was told of it wants besides what routes send it.
    """

    name: str
    follows: bool = False
    keeps_up: Callable[[News], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of `notify.routes`, with its matchers read."""

    matchers: tuple[matchers.Matcher, ...]
    states: frozenset[State]
    channels: tuple[str, ...]
    go_on: bool = False

    def leads(self, labels: Mapping[str, str], state: State) -> bool:
        """Whether it is about this."""
        return state in self.states and all(item.matches(labels) for item in self.matchers)


def routes_for(settings: NotifySettings) -> tuple[Route, ...]:
    """The routes of the settings, or those that hold without any.

    Raises:
        ConfigError: a matcher cannot be read.
    """
    if settings.routes:
        return tuple(
            Route(_parsed(number, r.matchers), frozenset(r.states), r.channels, r.go_on)
            for number, r in enumerate(settings.routes)
        )
    everybody = tuple(channel.name for channel in settings.channels)
    critical = matchers.parse('severity="critical"')
    return (
        Route(critical, frozenset({State.TRIGGERED, *PERSON_NEEDED}), everybody),
        Route((), frozenset(PERSON_NEEDED), everybody),
    )


def _parsed(number: int, texts: Sequence[str]) -> tuple[matchers.Matcher, ...]:
    try:
        return tuple(matcher for text in texts for matcher in matchers.parse(text))
    except ValueError as failure:
        raise ConfigError(f"notify.routes.{number}.matchers: {failure}") from None


@dataclass(frozen=True, slots=True)
class Router:
    """Plans deliveries."""

    routes: Sequence[Route]
    audiences: Sequence[Audience]
    quiet: Collection[Reason]

    def plan(
        self,
        news: Sequence[News],
        incidents: Mapping[str, Incident],
        told: Mapping[str, Collection[str]],
    ) -> list[Delivery]:
        """What these channels are sent; `told` are the channels that know of an incident already."""
        known = {incident_id: set(channels) for incident_id, channels in told.items()}
        deliveries: list[Delivery] = []
        for item in news:
            incident = incidents.get(item.incident_id)
            if incident is not None:
                deliveries += self._about(item, incident, known.setdefault(incident.id, set()))
        return deliveries

    def reminder(
        self, news: News, incident: Incident, number: int, since: datetime
    ) -> list[Delivery]:
        """The same message once more, to those whom routes send it; each number once per wait."""
        key = f"reminder:{incident.id}:{since.isoformat()}:{number}"
        return [
            replace(message, key=key, payload={**message.payload, "reminder": number})
            for name in sorted(self._chosen(news, incident))
            for message in [self._message(news, incident, name, again=True)]
        ]

    def _about(self, news: News, incident: Incident, told: set[str]) -> list[Delivery]:
        chosen = self._chosen(news, incident)
        over = news.state == State.RESOLVED
        deliveries = []
        for audience in self.audiences:
            knows = audience.name in told
            if audience.name in chosen or (knows and (over or audience.keeps_up(news))):
                deliveries.append(self._message(news, incident, audience.name, again=knows))
                told.add(audience.name)
            elif knows and audience.follows:
                deliveries.append(_follow(news, audience.name))
        return deliveries

    def _chosen(self, news: News, incident: Incident) -> set[str]:
        chosen: set[str] = set()
        if news.kind is not Kind.STATE:
            return chosen
        labels = {**incident.labels, "severity": incident.severity.value}
        for route in self.routes:
            if route.leads(labels, State(news.state)):
                chosen.update(route.channels)
                if not route.go_on:
                    break
        return chosen

    def _message(self, news: News, incident: Incident, channel: str, *, again: bool) -> Delivery:
        quiet = news.reason in self.quiet and incident.severity is not Severity.CRITICAL
        payload = {
            "about": news.kind.value,
            "state": news.state,
            "reason": news.reason,
            "text": news.text,
            "at": news.at.isoformat(),
            "quiet": quiet,
            "again": again,
        }
        return Delivery(channel, f"news:{news.id}", incident.id, payload, news.at, news.at)


def _follow(news: News, channel: str) -> Delivery:
    key = f"follow:{news.incident_id}"
    return Delivery(channel, key, news.incident_id, {}, news.at, news.at, follows=True)
