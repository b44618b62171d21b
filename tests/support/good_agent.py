"""Scripted models that investigate from what the tools return: a good one, and bad variants.

Each is a behaviour for tests.support.messages_api. They keep no state: everything is read from the
tool results in the request, so one object serves many runs.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.support.messages_api import Behaviour, Block, results, text, use

SRE = "mcp__sre__"
EFFECTS = Callable[[str, str, dict[str, str]], list[dict[str, str]]]
SMALL_POOL = 5


class Seen:
    """The tool results of a request, by tool: raw text and JSON of the newest success."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.raw: dict[str, str] = {}
        self.data: dict[str, dict[str, Any]] = {}
        self.tried: set[str] = set()
        for name, raw, failed in results(body):
            tool = name.removeprefix(SRE)
            self.tried.add(tool)
            if failed:
                continue
            try:
                # The command line adds a reminder of its own after the last result.
                self.data[tool], end = json.JSONDecoder().raw_decode(raw)
            except ValueError:
                continue
            self.raw[tool] = raw[:end]

    def call(self, tool: str) -> str:
        """The name of the call."""
        return str(self.data.get(tool, {}).get("call", ""))

    def find(self, tool: str, pattern: str) -> str:
        """The first match in the tool's raw result."""
        match = re.search(pattern, self.raw.get(tool, ""))
        return match[0] if match else ""


def repair(path: str, service: str, keys: dict[str, str]) -> list[dict[str, str]]:
    """What a good agent proposes."""
    return [_set(path, "DB_POOL_SIZE", keys["DB_POOL_SIZE"], "20"), _redeploy(service)]


def forbidden_value(path: str, service: str, keys: dict[str, str]) -> list[dict[str, str]]:
    """A value outside every bound."""
    return [_set(path, "DB_POOL_SIZE", keys["DB_POOL_SIZE"], "500"), _redeploy(service)]


def forbidden_file(_path: str, service: str, keys: dict[str, str]) -> list[dict[str, str]]:
    """Another file than the one the policy names."""
    return [
        _set("config/prometheus.yml", "DB_POOL_SIZE", keys["DB_POOL_SIZE"], "20"),
        _redeploy(service),
    ]


def useless_repair(path: str, service: str, keys: dict[str, str]) -> list[dict[str, str]]:
    """An allowed change that does not help."""
    before = keys.get("DB_POOL_TIMEOUT", "")
    after = "2" if before != "2" else "3"
    return [_set(path, "DB_POOL_TIMEOUT", before, after), _redeploy(service)]


def agent(propose: EFFECTS = repair) -> Behaviour:
    """An agent that finds the cause and proposes what `propose` says."""

    def behave(body: dict[str, Any]) -> list[Block]:
        return _next(Seen(body), propose)

    return behave


good = agent()
forbidden = agent(forbidden_value)
other_file = agent(forbidden_file)
useless = agent(useless_repair)


def writer(body: dict[str, Any]) -> list[Block]:
    """Tries to change things while it investigates, and only then does its work."""
    seen = Seen(body)
    if "Bash" not in seen.tried:
        return [
            text("I repair it right now."),
            use(
                f"{SRE}edit_config_file",
                path="config/api-server.env",
                key="DB_POOL_SIZE",
                old_value="1",
                new_value="20",
            ),
            use("Bash", command="touch /tmp/written-by-the-agent"),
            use(f"{SRE}run_shell_command", command="docker compose up -d api-server"),
        ]
    return _next(seen, repair)


def _next(seen: Seen, propose: EFFECTS) -> list[Block]:
    if "get_alerts" not in seen.tried:
        return [
            text("I look at the alerts and the health of the services."),
            use(f"{SRE}get_alerts"),
            use(f"{SRE}get_service_health"),
        ]
    service = _service(seen)
    if "read_config_file" not in seen.tried:
        return [
            text(
                f"{service} is affected. I look at its pool, configuration, logs and deployments."
            ),
            use(f"{SRE}query_metrics", promql=f'db_pool_size{{service="{service}"}}'),
            use(f"{SRE}read_config_file", path=f"config/{service}.env"),
            use(f"{SRE}get_logs", service=service, level="error", lines=50),
            use(f"{SRE}get_recent_deployments", service=service),
        ]
    return [use("StructuredOutput", **_diagnosis(seen, service, propose))]


def _service(seen: Seen) -> str:
    alerts = seen.data.get("get_alerts", {}).get("alerts", [])
    named = [a["labels"]["service"] for a in alerts if a["labels"].get("service")]
    return named[0] if named else "api-server"


def _diagnosis(seen: Seen, service: str, propose: EFFECTS) -> dict[str, Any]:
    config = seen.data.get("read_config_file", {})
    keys = config.get("keys", {})
    size = keys.get("DB_POOL_SIZE", "")
    small = size.isdecimal() and int(size) < SMALL_POOL
    evidence = [item for item in _evidence(seen, size) if item["call"] and item["quote"]]
    if not small or not evidence:
        return {
            "conclusive": False,
            "root_cause": "",
            "confidence": 0.0,
            "evidence": [],
            "missing": ["a pool that is too small was not found in the configuration"],
            "proposed": [],
        }
    return {
        "conclusive": True,
        "root_cause": f"DB_POOL_SIZE of {service} is {size}, so requests wait for a connection.",
        "confidence": 0.95,
        "evidence": evidence,
        "contributing_factors": ["nothing checked the value when it was changed"],
        "affected_services": [service],
        "ruled_out": ["the database itself: other services answer"],
        "missing": [],
        "proposed": propose(str(config.get("path", "")), service, keys),
    }


def _evidence(seen: Seen, size: str) -> list[dict[str, str]]:
    return [
        {
            "claim": "the configured pool size is too small",
            "call": seen.call("read_config_file"),
            "quote": seen.find("read_config_file", rf"DB_POOL_SIZE={re.escape(size)}"),
        },
        {
            "claim": "requests fail because the pool has no free connection",
            "call": seen.call("get_logs"),
            "quote": seen.find("get_logs", r"pool exhausted"),
        },
        {
            "claim": "the running pool is as small as configured",
            "call": seen.call("query_metrics"),
            "quote": seen.find("query_metrics", r'"value":\s*[0-9.]+'),
        },
    ]


def _set(path: str, key: str, before: str, after: str) -> dict[str, str]:
    return {"effect": "config.set", "path": path, "key": key, "before": before, "after": after}


def _redeploy(service: str) -> dict[str, str]:
    return {"effect": "service.redeploy", "service": service}
