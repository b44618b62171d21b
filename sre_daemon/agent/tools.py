"""The reading tools of an investigation, and how their calls are named."""

import json
import re

# Exactly what the tool server registers in phase `investigate`.
READ_TOOLS = (
    "query_metrics",
    "list_metrics",
    "get_service_health",
    "read_config_file",
    "get_container_logs",
    "get_logs",
    "get_alerts",
    "get_recent_deployments",
    "execute_runbook",
)
# What it registers besides where there are the keys for it.
MORE_READS = {
    "pagerduty": ("pagerduty_get_incident", "pagerduty_list_incidents"),
    "confluence": ("confluence_get_page", "confluence_list_postmortems"),
}
NAME = re.compile(r"c\d{1,6}", re.ASCII)
PREFIX = re.compile(r"\[(c\d{1,6})\] ", re.ASCII)


def call_name(output: str) -> str:
    """The tool server's name for the call with this output ("c3"), or empty.

    It is the field `call` of a JSON result, or stands in brackets before a text.
    """
    prefix = PREFIX.match(output)
    if prefix:
        return prefix[1]
    try:
        data = json.loads(output)
    except ValueError:
        return ""
    name = data.get("call") if isinstance(data, dict) else None
    return name if isinstance(name, str) and NAME.fullmatch(name) else ""
