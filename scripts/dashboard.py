"""The Grafana dashboard of the daemon, as JSON. One row per question that an operator asks."""

from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import StackingConfig
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef

RANGE = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    """A chart: its queries by legend. `what` says what to look for. A `stat` shows the last value."""

    title: str
    what: str
    queries: dict[str, str]
    unit: str = "short"
    stat: bool = False
    stacked: bool = False
    width: int = 8


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: list[Panel] = field(default_factory=list)


def quantiles(metric: str, labels: str = "") -> dict[str, str]:
    """Median and the slowest of twenty."""
    rate = f"sum by (le) (rate(sre_daemon_{metric}_bucket{labels}[{RANGE}]))"
    return {f"p{q:.0%}".replace("%", ""): f"histogram_quantile({q}, {rate})" for q in (0.5, 0.95)}


def ours(query: str) -> str:
    """Of a metric that every process has, the daemon's own series, whatever its job is called."""
    return f"{query} and on (job, instance) sre_daemon_build_info"


def by(metric: str, *labels: str) -> dict[str, str]:
    """Events in the range of the chart, by these labels."""
    names = ", ".join(labels)
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    return {legend: f"sum by ({names}) (increase(sre_daemon_{metric}[{RANGE}])) > 0"}


ROWS = [
    Row(
        "Now",
        [
            Panel(
                "Open incidents",
                "What is not closed.",
                {"open": 'sum(sre_daemon_incidents{state!="closed"})'},
                stat=True,
                width=4,
            ),
            Panel(
                "With a person",
                "Escalated and not over.",
                {"escalated": 'sum(sre_daemon_incidents{state="escalated"})'},
                stat=True,
                width=4,
            ),
            Panel(
                "Waiting for a worker",
                "Grows when work is faster than workers.",
                {"queued": "sum(sre_daemon_queue_depth)"},
                stat=True,
                width=4,
            ),
            Panel(
                "Paused",
                "1: nothing is changed until somebody resumes.",
                {"paused": "max(sre_daemon_paused)"},
                stat=True,
                width=4,
            ),
            Panel(
                "Heartbeat",
                "Since the Watchdog alert was last notified.",
                {"age": "time() - max(sre_daemon_watchdog_last_seen_timestamp_seconds > 0)"},
                "s",
                stat=True,
                width=4,
            ),
            Panel(
                "Accepted, not settled",
                "Every incident must reach an end.",
                {"open": "max(sre_daemon_accepted_total) - max(sre_daemon_settled_total)"},
                stat=True,
                width=4,
            ),
        ],
    ),
    Row(
        "Incidents",
        [
            Panel(
                "By state",
                "Where incidents are.",
                {"{{state}}": 'max by (state) (sre_daemon_incidents{state!="closed"}) > 0'},
                stacked=True,
            ),
            Panel(
                "Alert to first message",
                "How long a person waits for a word.",
                quantiles("alert_to_first_message_seconds"),
                "s",
            ),
            Panel(
                "Alert to proof",
                "How long a repair takes until it is proven.",
                quantiles("time_to_resolve_seconds"),
                "s",
            ),
            Panel(
                "Moves",
                "What happened to incidents, and why.",
                by("incident_transitions_total", "to", "reason"),
                stacked=True,
            ),
            Panel(
                "Longest in a state",
                "Since the last move of the incident that moved last long ago.",
                {
                    "{{state}}": "max by (state) (time() - (sre_daemon_oldest_change_timestamp_seconds"
                    '{state!~"closed|escalated"} > 0))'
                },
                "s",
            ),
            Panel(
                "Queue wait",
                "From the opening to the first claim.",
                quantiles("queue_wait_seconds"),
                "s",
            ),
        ],
    ),
    Row(
        "Objectives",
        [
            Panel(
                title,
                f"Share that missed it, in 6 h and in 3 d; {goal} may.",
                {w: f"sre_daemon:{name}:ratio_rate{w}" for w in ("6h", "3d")},
                "percentunit",
            )
            for title, name, goal in (
                ("First message later than 30 s", "first_message_slow", "1 %"),
                ("Proof later than 10 min", "proof_slow", "10 %"),
                ("Notifications not stored at once", "notifications_refused", "0.1 %"),
            )
        ],
    ),
    Row(
        "Agent",
        [
            Panel(
                "Runs", "How investigations end.", by("agent_runs_total", "outcome"), stacked=True
            ),
            Panel("Run time", "", quantiles("agent_run_seconds"), "s"),
            Panel(
                "Dollars per hour",
                "What the model costs.",
                {"spent": "sum(rate(sre_daemon_agent_cost_usd_total[1h])) * 3600"},
                "currencyUSD",
            ),
            Panel(
                "Tokens per hour",
                "Reading from the cache is cheap; writing is not.",
                {"{{kind}}": "sum by (kind) (rate(sre_daemon_agent_tokens_total[1h])) * 3600"},
                stacked=True,
            ),
            Panel(
                "Model failures",
                "What the model or its API did not do.",
                by("model_errors_total", "kind"),
                stacked=True,
            ),
            Panel(
                "Budget left",
                "Of each sliding window that has a limit.",
                {"{{window}}": "min by (window) (sre_daemon_agent_budget_remaining_usd < +Inf)"},
                "currencyUSD",
            ),
            Panel(
                "Model asked",
                "0: left alone after failures.",
                {"{{instance}}": "sre_daemon_model_available"},
            ),
            Panel(
                "Runs under way",
                "Each takes about 250 MB.",
                {"{{phase}}": "sum by (phase) (sre_daemon_agent_runs_in_progress)"},
            ),
            Panel("Turns per run", "Runs that go in circles show here.", quantiles("agent_turns")),
        ],
    ),
    Row(
        "Tools",
        [
            Panel("Calls", "", by("tool_calls_total", "tool"), stacked=True),
            Panel(
                "Failed calls",
                "A tool that fails blinds every investigation.",
                {
                    "{{tool}}": f'sum by (tool) (increase(sre_daemon_tool_calls_total{{outcome="error"}}[{RANGE}])) > 0'
                },
                stacked=True,
            ),
            Panel(
                "Slowest of twenty",
                "",
                {
                    "{{tool}}": f"histogram_quantile(0.95, sum by (le, tool) (rate(sre_daemon_tool_call_seconds_bucket[{RANGE}])))"
                },
                "s",
            ),
        ],
    ),
    Row(
        "Policy, effects, proofs",
        [
            Panel(
                "Verdicts",
                "What the policy said, and why.",
                by("policy_verdicts_total", "verdict", "reason"),
                stacked=True,
            ),
            Panel(
                "Answers of the gate",
                "At the moment of each effect.",
                by("gate_answers_total", "reason"),
                stacked=True,
            ),
            Panel(
                "Effects", "What was done.", by("effects_total", "effect", "outcome"), stacked=True
            ),
            Panel(
                "Proofs",
                "Every repair must end here.",
                by("verifications_total", "outcome"),
                stacked=True,
            ),
            Panel(
                "Approvals",
                "What became of what people were asked.",
                by("approvals_total", "outcome"),
                stacked=True,
            ),
            Panel(
                "Approval wait",
                "From the question to its answer.",
                quantiles("approval_wait_seconds"),
                "s",
            ),
            Panel(
                "Audit log signed",
                "Since it was last checked and signed; and whether it is whole.",
                {
                    "age": "time() - min(sre_daemon_audit_anchored_timestamp_seconds > 0)",
                    "lines": "max(sre_daemon_audit_lines)",
                    "whole": "min(sre_daemon_audit_intact)",
                },
            ),
            Panel(
                "Autonomy",
                "What policies may do by their record (0 shadow, 1 ask, 2 auto), and what changed it.",
                {"{{policy}}": "max by (policy) (sre_daemon_autonomy_level)"}
                | by("autonomy_changes_total", "direction")
                | by("trials_total", "outcome"),
            ),
            Panel(
                "Proven, and back again",
                "A proof that did not last was none; it costs the policy its autonomy.",
                {
                    "proven": f'sum(increase(sre_daemon_verifications_total{{outcome="proven"}}[{RANGE}]))',
                    "back again": f'sum(increase(sre_daemon_trials_total{{outcome="false_success"}}[{RANGE}]))',
                },
            ),
            Panel(
                "Taken back",
                "A failed one needs a person now.",
                by("rollbacks_total", "outcome"),
                stacked=True,
            ),
            Panel(
                "Policy in force",
                "How long, by its digest; and on how many replicas the file is another one.",
                {
                    "{{digest}}": "sre_daemon_policy_info * on (instance) group_left () "
                    "(time() - sre_daemon_policy_reload_success_timestamp_seconds)",
                    "edited": "sum(sre_daemon_policy_file_differs)",
                },
                "s",
            ),
        ],
    ),
    Row(
        "Delivery",
        [
            Panel(
                "Notifications",
                "What Alertmanager sent.",
                by("notifications_total", "outcome"),
                stacked=True,
            ),
            Panel(
                "Comparisons",
                "With what Alertmanager has; failed ones are blind.",
                by("reconciliations_total", "outcome"),
                stacked=True,
            ),
            Panel(
                "Connections refused",
                "Too many were open: somebody is slow, or the limit is too low.",
                {"refused": f"sum(increase(sre_daemon_connections_refused_total[{RANGE}]))"},
            ),
            Panel("Answer time", "Durable before 200.", quantiles("notification_seconds"), "s"),
            Panel(
                "Found by comparison",
                "What webhooks missed.",
                by("reconcile_corrections_total", "kind"),
                stacked=True,
            ),
            Panel(
                "Oldest message that waits",
                "A channel that does not work lets it grow.",
                {"{{channel}}": "max by (channel) (sre_daemon_message_oldest_waiting_seconds)"},
                "s",
            ),
            Panel(
                "Messages that wait",
                "By channel, for a channel to take them.",
                {"{{channel}}": "max by (channel) (sre_daemon_messages_waiting)"},
            ),
            Panel(
                "Channels up",
                "0: the last try failed.",
                {"{{channel}}": "min by (channel) (sre_daemon_channel_up)"},
            ),
            Panel(
                "Messages to people", "", by("messages_total", "channel", "outcome"), stacked=True
            ),
            Panel(
                "Alerts",
                "What correlation did with them.",
                by("alerts_total", "action"),
                stacked=True,
            ),
        ],
    ),
    Row(
        "Process",
        [
            Panel(
                "Memory",
                "Resident should level off; reserved may be far more and cost nothing.",
                {
                    "{{instance}} resident": ours("process_resident_memory_bytes"),
                    "{{instance}} reserved": ours("process_virtual_memory_bytes"),
                },
                "bytes",
                width=6,
            ),
            Panel(
                "Processor",
                "1: one processor is busy with it all the time.",
                {"{{instance}}": ours(f"rate(process_cpu_seconds_total[{RANGE}])")},
                width=6,
            ),
            Panel(
                "Open files",
                "Of those that the process may have.",
                {"{{instance}}": ours("process_open_fds / process_max_fds")},
                "percentunit",
                width=6,
            ),
            Panel(
                "Runs since",
                "Falls back to nothing at each start.",
                {"{{instance}}": ours("time() - process_start_time_seconds")},
                "s",
                width=6,
            ),
        ],
    ),
]


def queries() -> list[tuple[str, str]]:
    """Each panel's title and query, with the range of a chart of an hour."""
    return [
        (f"{row.title}: {item.title}", query.replace(RANGE, "5m"))
        for row in ROWS
        for item in row.panels
        for query in item.queries.values()
    ]


def panel(item: Panel) -> stat.Panel | timeseries.Panel:
    """One panel."""
    made: stat.Panel | timeseries.Panel
    if item.stat:
        made = stat.Panel().height(4)
    else:
        made = timeseries.Panel().height(8).fill_opacity(25 if item.stacked else 0)
        if item.stacked:
            made = made.draw_style(GraphDrawStyle.BARS)
            made = made.stacking(StackingConfig().mode(StackingMode.NORMAL))
    made = made.title(item.title).description(item.what).unit(item.unit).span(item.width)
    made = made.datasource(DataSourceRef(type_val="prometheus", uid="${datasource}"))
    for number, (legend, query) in enumerate(item.queries.items()):
        target = prometheus.Dataquery().expr(query).legend_format(legend)
        made = made.with_target(target.ref_id(chr(ord("A") + number)))
    return made


def dashboard_json() -> str:
    """The whole dashboard."""
    built = (
        dashboard.Dashboard("sre-daemon")
        .uid("sre-daemon")
        .description("What the daemon takes in, finds, does, proves and costs.")
        .tags(["sre-daemon"])
        .refresh("30s")
        .time("now-6h", "now")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
    )
    number = 0
    for row in ROWS:
        number += 1
        built = built.with_row(dashboard.Row(row.title).id(number))
        for item in row.panels:
            number += 1
            built = built.with_panel(panel(item).id(number))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"
