"""The files of a running stack: the shop's configuration, Prometheus, Alertmanager, the daemon."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stack import postgres

HERE = Path(__file__).parent
CHECKOUT = HERE.parent
# What the process of the API server is besides, in its metrics.
SPOKEN_FOR = ("user-svc", "payment-svc", "auth-svc")
SERVICES = ("api-server", "postgres", "traffic-generator", "prometheus")
# What faults change in it, and what a person puts back.
CHANGED = ("DB_POOL_SIZE", "DB_POOL_TIMEOUT", "SPOOL_KEEP_FILES", "LOG_LEVEL")
GOOD = {
    "DB_POOL_SIZE": "20",
    "DB_POOL_TIMEOUT": "2",
    "DB_HOST": "127.0.0.1",
    "DB_NAME": postgres.DATABASE,
    "DB_USER": postgres.USER,
    "DB_PASSWORD": postgres.PASSWORD,
    "SERVICE_NAME": "api-server",
    "SPOOL_DIR": "/tmp/spool",  # noqa: S108 - of a container, which has no other folder to write to
    "SPOOL_KEEP_FILES": "20",
    "LOG_LEVEL": "info",
}


@dataclass(frozen=True)
class Ports:
    """Free ports, one for each server."""

    api: int
    postgres: int
    prometheus: int
    alertmanager: int
    daemon: int

    @classmethod
    def free(cls) -> "Ports":
        """Five that nobody uses now."""
        sockets = [socket.socket() for _ in range(5)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        numbers = [item.getsockname()[1] for item in sockets]
        for item in sockets:
            item.close()
        return cls(*numbers)


def write_shop(root: Path, database: Mapping[str, str]) -> Path:
    """The shop's configuration; the file that faults and repairs change."""
    folder = root / "config"
    folder.mkdir(parents=True)
    lines = [f"{key}={value}\n" for key, value in (GOOD | dict(database)).items()]
    text = "# Configuration of the API server; it is read when the service is deployed.\n"
    for name in ("api-server.env", "api-server.env.backup"):
        (folder / name).write_text(text + "".join(lines), encoding="utf-8")
    return folder / "api-server.env"


# The shop's alerts, and the daemon's objectives for its dashboard.
RULES = ("shop.rules.yml", "sre-daemon-ratios.rules.yml")


def write_prometheus(root: Path, rules: str, alertmanager: str, targets: Mapping[str, str]) -> Path:
    """Scrapes and evaluates every second; `rules` is their folder, `targets` maps jobs to addresses."""
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{rules}/{name}" for name in RULES],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [_job(name, address) for name, address in targets.items()],
    }
    return dump(config, root / "config" / "prometheus.yml")


def _job(name: str, address: str) -> dict[str, Any]:
    target = {"targets": [address], "labels": {"service": name}}
    # One process may speak for several services; what it says of them counts.
    return {"job_name": name, "honor_labels": True, "static_configs": [target]}


def write_alertmanager(root: Path, webhook: str, credentials: str) -> Path:
    """The product's own example with short times, and the address and token file of this run."""
    yaml = YAML(typ="safe")
    config = yaml.load((CHECKOUT / "alertmanager" / "alertmanager.yml").read_text("utf-8"))
    for route in (config["route"], *config["route"].get("routes", ())):
        repeat = "10s" if route is not config["route"] else "1h"  # the Watchdog's own route
        route.update({"group_wait": "0s", "group_interval": "1s", "repeat_interval": repeat})
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = webhook
            hook["http_config"]["authorization"]["credentials_file"] = credentials
    return dump(config, root / "alertmanager.yml")


def write_daemon(
    root: Path, ports: Ports, policy: Path | None, overrides: Mapping[str, object]
) -> Path:
    """The daemon's settings file."""
    (root / "daemon").mkdir()
    config: dict[str, object] = {
        "listen": f"127.0.0.1:{ports.daemon}",
        "data_dir": "data",
        "prometheus": {"url": f"http://127.0.0.1:{ports.prometheus}"},
        "alertmanagers": [f"http://127.0.0.1:{ports.alertmanager}"],
        "config_root": str(root),
        "runtime": {"kind": "supervisor", "socket": str(root / "supervisor.sock")},
        "services": list(SERVICES),
        "logged_by": dict.fromkeys(SPOKEN_FOR, "api-server"),
        "deployments": str(root / "deployments.jsonl"),
        "guardrails": str(HERE / "guardrails.yaml"),
        "health": str(HERE / "health.yaml"),
        "runbooks": [str(HERE / "runbooks")],
        # Who plays with the shop wants to see the end, and to break it again in the same way.
        "correlation": {"linger": "0s"},
    }
    if policy is not None:
        config["policy"] = str(policy)
    return dump(config | dict(overrides), root / "daemon" / "sre-daemon.yaml")


def dump(data: Any, path: Path) -> Path:
    """As YAML."""
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(data, file)
    return path
