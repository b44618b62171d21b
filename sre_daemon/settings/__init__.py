"""All settings of the daemon, and the only reader of its environment.

Settings come from one YAML file; secrets only from the environment, from `NAME_FILE` variables
that name a file, or from a `.env` beside the settings file. `docs/configuration.md` has the
table, made from these classes. One file per area.
"""

from sre_daemon.settings.base import Duration
from sre_daemon.settings.channels import NotifySettings, ReminderSettings
from sre_daemon.settings.environment import (
    VARIABLES,
    Secrets,
    check_front_door,
    client_environment,
    load_people,
    load_secrets,
    load_senders,
    webhook_environment,
)
from sre_daemon.settings.file import Settings, load
from sre_daemon.settings.intake import ReceiverSettings
from sre_daemon.settings.observed import RuntimeSettings
from sre_daemon.settings.work import WorkerSettings

__all__ = [
    "VARIABLES",
    "Duration",
    "NotifySettings",
    "ReceiverSettings",
    "ReminderSettings",
    "RuntimeSettings",
    "Secrets",
    "Settings",
    "WorkerSettings",
    "check_front_door",
    "client_environment",
    "load",
    "load_people",
    "load_secrets",
    "load_senders",
    "webhook_environment",
]
