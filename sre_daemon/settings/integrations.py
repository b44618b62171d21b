"""The services of people that the tools can use, where their keys are there.

The tool server has its own reading of the same values (mcp_tools/settings/people.py). It is checked
here too, because a tool server that does not start would take every investigation with it.
"""

from pydantic import Field, HttpUrl, SecretStr, ValidationError

from sre_daemon.errors import ConfigError
from sre_daemon.settings.base import Group
from sre_daemon.settings.environment import VARIABLES, Secrets


class PagerDutyTools(Group):
    """What the tools need of PagerDuty."""

    api_key: str = Field(min_length=1)
    from_email: str = Field(default="", pattern=r"^[^@\s]+@[^@\s]+$")
    service_id: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    url: HttpUrl | None = None


class ConfluenceTools(Group):
    """What the tools need of Confluence."""

    base_url: HttpUrl
    api_token: str = Field(min_length=1)
    user_email: str = Field(default="", pattern=r"^[^:\s]+$")
    space_key: str = Field(default="", pattern=r"^[A-Za-z0-9~._-]{1,255}$")
    parent_page_id: str = Field(default="", pattern=r"^[0-9]{1,20}$")


SERVICES: dict[str, type[Group]] = {"pagerduty": PagerDutyTools, "confluence": ConfluenceTools}


def integrations(secrets: Secrets) -> dict[str, dict[str, str]]:
    """By name, as the tool server reads them; one that lacks something is not there.

    Raises:
        ConfigError: naming the variable that cannot be used.
    """
    found: dict[str, dict[str, str]] = {}
    for service, model in SERVICES.items():
        values = {
            name: value
            for name in model.model_fields
            if (value := _shown(getattr(secrets, f"{service}_{name}")))
        }
        needed = {name for name, field in model.model_fields.items() if field.is_required()}
        if needed <= values.keys():
            _check(service, model, values)
            found[service] = values
    return found


def _check(service: str, model: type[Group], values: dict[str, str]) -> None:
    try:
        model.model_validate(values)
    except ValidationError as failure:
        wrong = failure.errors(include_url=False, include_input=False)[0]
        variable = VARIABLES[f"{service}_{wrong['loc'][0]}"]
        raise ConfigError(
            f"{variable} cannot be used: {wrong['msg']}", "correct it, or unset it"
        ) from None


def _shown(value: SecretStr | str | None) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value or ""
