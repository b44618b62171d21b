"""The services of people that the tools can use, where their keys are there."""

from pydantic import SecretStr

from sre_daemon.settings.environment import Secrets

# The fields of what the tool server calls the same, and whether it cannot do without.
FIELDS = {
    "pagerduty": {"api_key": True, "from_email": False, "service_id": False, "url": False},
    "confluence": {
        "base_url": True,
        "api_token": True,
        "user_email": False,
        "space_key": False,
        "parent_page_id": False,
    },
}


def integrations(secrets: Secrets) -> dict[str, dict[str, str]]:
    """By name, as the tool server reads them; one that lacks something is not there."""
    found: dict[str, dict[str, str]] = {}
    for service, fields in FIELDS.items():
        values = {name: _shown(getattr(secrets, f"{service}_{name}")) for name in fields}
        if all(values[name] for name, needed in fields.items() if needed):
            found[service] = {name: value for name, value in values.items() if value}
    return found


def _shown(value: SecretStr | str | None) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value or ""
