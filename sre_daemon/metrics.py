"""Every metric of the daemon, in one class. No label takes a value from an alert.

All label values are created at start, so that a rate over a counter is right from the first event;
moves and verdicts have too many combinations for that, and their first event shows as a new series.
"""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client import exposition as text
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from sre_daemon import __version__
from sre_daemon.domain.alert import Severity
from sre_daemon.domain.effect import KINDS
from sre_daemon.domain.lifecycle import INCIDENT, State
from sre_daemon.domain.run import RunOutcome
from sre_daemon.domain.spending import Window
from sre_daemon.domain.trial import TrialOutcome
from sre_daemon.domain.verdict import Decision, Reason
from sre_daemon.errors import FaultKind

TOOLS = (
    "query_metrics",
    "list_metrics",
    "get_service_health",
    "read_config_file",
    "edit_config_file",
    "run_shell_command",
    "get_container_logs",
    "get_logs",
    "get_alerts",
    "get_recent_deployments",
    "execute_runbook",
    "write_postmortem",
    "create_silence",
    "pagerduty_create_incident",
    "pagerduty_update_incident",
    "pagerduty_get_incident",
    "pagerduty_list_incidents",
    "confluence_create_postmortem",
    "confluence_get_page",
    "confluence_list_postmortems",
    "other",
)
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
ALERT_ACTIONS = (
    "opened",
    "joined",
    "refreshed",
    "resolved",
    "resolved_first",
    "recurred",
    "reopened",
    "suspect",
    "late_copy",
    "unknown_resolved",
    "heartbeat",
    "rejected",
)
FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def exemplar(incident_id: str) -> dict[str, str]:
    """Beside a number, in OpenMetrics: the incident that it is an example of."""
    return {"incident": incident_id}


class Mirrored(Collector):
    """A counter whose value is kept by the store, and is the same from every replica."""

    def __init__(self, name: str, help_: str) -> None:
        self._name = name
        self._help = help_
        self._value = 0

    def set(self, value: int) -> None:
        """What the store says now."""
        self._value = value

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        yield CounterMetricFamily(self._name, self._help, self._value)


class Metrics:
    """The metrics, registered in `registry` (its own by default, so that tests do not share)."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # A third of the page, and of the time of a scrape, would be when each series began.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types for it
        self.registry = registry or CollectorRegistry()
        self._intake()
        self._incidents()
        self._agent()
        self._changes()
        self._people()
        self._audit()
        Info("sre_daemon_build", "Version.", registry=self.registry).info({"version": __version__})
        # Memory, processor time and open files of this process, under the names that all have.
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, help_: str, **labels: Iterable[str]) -> Counter:
        counter = Counter(f"sre_daemon_{name}", help_, list(labels), registry=self.registry)
        self._create(counter, labels)
        return counter

    def _gauge(self, name: str, help_: str, **labels: Iterable[str]) -> Gauge:
        gauge = Gauge(f"sre_daemon_{name}", help_, list(labels), registry=self.registry)
        self._create(gauge, labels)
        return gauge

    def _histogram(
        self, name: str, help_: str, buckets: Iterable[float] = SECONDS, **labels: Iterable[str]
    ) -> Histogram:
        histogram = Histogram(
            f"sre_daemon_{name}",
            help_,
            list(labels),
            buckets=tuple(buckets),
            registry=self.registry,
        )
        self._create(histogram, labels)
        return histogram

    def _mirrored(self, name: str, help_: str) -> "Mirrored":
        mirrored = Mirrored(f"sre_daemon_{name}", help_)
        self.registry.register(mirrored)
        return mirrored

    @staticmethod
    def _create(metric: Counter | Gauge | Histogram, labels: dict[str, Iterable[str]]) -> None:
        combinations: list[dict[str, str]] = [{}]
        for name, values in labels.items():
            combinations = [{**known, name: value} for known in combinations for value in values]
        for combination in combinations:
            if combination:
                metric.labels(**combination)

    def _intake(self) -> None:
        self.notifications = self._counter(
            "notifications_total",
            "Webhook requests by what became of them.",
            outcome=("stored", "unauthorized", "invalid", "too_large", "unavailable"),
        )
        self.alertmanager_unauthorized = self._counter(
            "alertmanager_unauthorized_total",
            "Requests of an Alertmanager, by its own word, that had no valid token.",
        )
        self.connections_refused = self._counter(
            "connections_refused_total",
            "Connections that were closed with 503, because too many were open.",
        )
        self.notification_seconds = self._histogram(
            "notification_seconds", "From the first byte of a request to its answer.", FAST
        )
        self.alerts = self._counter(
            "alerts_total",
            "Alerts by what correlation did with them.",
            action=ALERT_ACTIONS,
        )
        self.reconciliations = self._counter(
            "reconciliations_total",
            "Comparisons with what Alertmanager has, by how much of it could be read.",
            outcome=("complete", "partial", "failed"),
        )
        self.reconcile_corrections = self._counter(
            "reconcile_corrections_total",
            "What webhooks missed and a comparison found.",
            kind=("missed_firing", "missed_resolved", "suppressed", "unsuppressed"),
        )
        self.watchdog = self._gauge(
            "watchdog_last_seen_timestamp_seconds",
            "When the Watchdog alert was last notified; 0 when it never was.",
        )
        self.accepted = self._mirrored("accepted", "Incidents ever opened: settled plus open.")
        self.settled = self._mirrored("settled", "Incidents that reached their end.")

    def _incidents(self) -> None:
        self.incidents = self._gauge("incidents", "Incidents by state.", state=State)
        self.oldest = self._gauge(
            "oldest_change_timestamp_seconds",
            "Last move of the incident that is longest in its state; 0 when there is none.",
            state=State,
        )
        self.queue_depth = self._gauge(
            "queue_depth", "Incidents that wait for a worker.", severity=Severity
        )
        self.transitions = Counter(
            "sre_daemon_incident_transitions_total",
            "Moves of incidents.",
            ["from", "to", "reason"],
            registry=self.registry,
        )
        for (state, _), after in INCIDENT.items():
            self.transitions.labels(state, after, Reason.CLEARED)
        self.queue_wait = self._histogram(
            "queue_wait_seconds", "From the opening of an incident to the first claim."
        )
        self.first_message = self._histogram(
            "alert_to_first_message_seconds", "From the alert to the first message to a person."
        )
        self.time_to_resolve = self._histogram(
            "time_to_resolve_seconds", "From the opening of an incident to its proof."
        )
        self.paused = self._gauge("paused", "1 while the daemon is paused.")

    def _agent(self) -> None:
        phases = ("investigate", "follow_up")
        self.agent_runs = self._counter(
            "agent_runs_total", "Agent runs by outcome.", phase=phases, outcome=RunOutcome
        )
        self.agent_runs_in_progress = self._gauge(
            "agent_runs_in_progress", "Agent runs under way.", phase=phases
        )
        self.agent_run_seconds = self._histogram(
            "agent_run_seconds", "Duration of agent runs.", phase=phases
        )
        self.agent_turns = self._histogram(
            "agent_turns", "Model calls per run.", (1, 2, 3, 5, 8, 13, 21, 34, 55)
        )
        self.agent_tokens = self._counter(
            "agent_tokens_total",
            "Tokens, as the API counted them.",
            kind=("input", "output", "cache_read", "cache_write"),
        )
        self.agent_cost = self._counter("agent_cost_usd_total", "Dollars spent on the model.")
        self.tool_calls = self._counter(
            "tool_calls_total", "Tool calls by outcome.", tool=TOOLS, outcome=("ok", "error")
        )
        self.tool_seconds = self._histogram(
            "tool_call_seconds", "Duration of tool calls.", FAST, tool=TOOLS
        )
        self.model_errors = self._counter(
            "model_errors_total",
            "Investigations that the model or its API failed.",
            kind=FaultKind,
        )
        self.model_available = self._gauge(
            "model_available", "0 while the model is left alone after failures."
        )
        self.model_available.set(1)
        self.budget_remaining = self._gauge(
            "agent_budget_remaining_usd",
            "Dollars left for the model in a sliding window; infinite without a limit.",
            window=Window,
        )

    def _changes(self) -> None:
        self.verdicts = Counter(
            "sre_daemon_policy_verdicts_total",
            "Verdicts; the policy label has names from the policy file only.",
            ["policy", "verdict", "reason"],
            registry=self.registry,
        )
        for decision in Decision:
            self.verdicts.labels("", decision, Reason.NO_POLICY)
        self.policy_reload_success = self._gauge(
            "policy_reload_success", "1 while the last reload of the policy file succeeded."
        )
        self.policy_reloaded = self._gauge(
            "policy_reload_success_timestamp_seconds",
            "When the policy in force was put there; 0 while there is none.",
        )
        self.policy_differs = self._gauge(
            "policy_file_differs", "1 while the policy file is not the policy in force."
        )
        self.policy = Gauge(
            "sre_daemon_policy_info",
            "1 for the digest of the policy in force.",
            ["digest"],
            registry=self.registry,
        )
        self.effects = self._counter(
            "effects_total",
            "Effects by outcome.",
            effect=KINDS,
            outcome=("intended", "applied", "not_applied", "failed", "refused"),
        )
        self.gate_answers = self._counter(
            "gate_answers_total", "Answers of the gate.", reason=Reason
        )
        self.verifications = self._counter(
            "verifications_total",
            "Proofs of repairs.",
            outcome=("proven", "not_proven", "regressed", "inconclusive"),
        )
        self.rollbacks = self._counter(
            "rollbacks_total", "Repairs taken back.", outcome=("done", "failed")
        )

    def _people(self) -> None:
        """The channel label has names from the settings file only."""
        self.messages = Counter(
            "sre_daemon_messages_total",
            "Tries to send a message to people: sent, retried later, or failed for good.",
            ["channel", "outcome"],
            registry=self.registry,
        )
        self.messages_waiting = Gauge(
            "sre_daemon_messages_waiting",
            "Messages that a channel has not taken yet.",
            ["channel"],
            registry=self.registry,
        )
        self.message_oldest = Gauge(
            "sre_daemon_message_oldest_waiting_seconds",
            "Age of the oldest of them; a channel that does not work lets it grow.",
            ["channel"],
            registry=self.registry,
        )
        self.channel_up = Gauge(
            "sre_daemon_channel_up",
            "1 unless the last try to use the channel failed.",
            ["channel"],
            registry=self.registry,
        )

    def channel(self, name: str) -> None:
        """Create the series of a channel."""
        for outcome in ("sent", "retried", "failed"):
            self.messages.labels(name, outcome)
        self.messages_waiting.labels(name)
        self.message_oldest.labels(name)
        self.channel_up.labels(name).set(1)

    def _audit(self) -> None:
        self.trials = self._counter(
            "trials_total", "Proofs, shadows and relapses of policies.", outcome=TrialOutcome
        )
        self.autonomy_changes = self._counter(
            "autonomy_changes_total",
            "Levels that policies earned, lost, or got back from a person.",
            direction=("promoted", "demoted", "restored"),
        )
        self.autonomy = Gauge(
            "sre_daemon_autonomy_level",
            "0 shadow, 1 ask, 2 auto, by the record; the label has names from the policy file only.",
            ["policy"],
            registry=self.registry,
        )
        self.approvals = self._counter(
            "approvals_total",
            "Approvals by what became of them.",
            outcome=("asked", "granted", "rejected", "expired", "void"),
        )
        self.approval_wait = self._histogram(
            "approval_wait_seconds", "From asking people to their answer."
        )
        self.audit_head = self._gauge("audit_lines", "Lines of the audit log, as last signed.")
        self.audit_anchored = self._gauge(
            "audit_anchored_timestamp_seconds", "When the audit log was last checked and signed."
        )
        self.audit_intact = self._gauge(
            "audit_intact", "1 while nothing is wrong with the audit log since the last head."
        )
        self.audit_intact.set(1)

    def policy_in_force(self, digest: str) -> None:
        """Name it, and forget the one before."""
        self.policy.clear()
        if digest:
            self.policy.labels(digest).set(1)

    def tool(self, name: str) -> str:
        """The label value for a tool: its name, or `other`, so that no caller adds series."""
        return name if name in TOOLS else "other"

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the format that the Accept header asks for, and its content type."""
        if "application/openmetrics-text" in accept:
            # No name of ours needs escaping, and looking for that would double the time of a scrape.
            body = openmetrics.generate_latest(self.registry, escaping=openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call] # the library has no types for it
            return body, openmetrics.CONTENT_TYPE_LATEST
        return text.generate_latest(self.registry), text.CONTENT_TYPE_LATEST
