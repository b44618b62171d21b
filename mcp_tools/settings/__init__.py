"""Settings of the tool server: a JSON file, or the environment and `.env`; and strict YAML for its files.

One file per area.
"""

from mcp_tools.settings.attached import AttachedSettings
from mcp_tools.settings.documents import parse_yaml, read_yaml, secret_of
from mcp_tools.settings.environment import (
    HTTP_TOKEN_VARIABLE,
    MIN_TOKEN,
    TOKEN_VARIABLE,
    environment_with,
    http_token,
    token,
)
from mcp_tools.settings.file import ToolSettings, load
from mcp_tools.settings.masks import masking_key
from mcp_tools.settings.observed import LokiSettings, PrometheusSettings, RuntimeSettings
from mcp_tools.settings.people import ConfluenceSettings, PagerDutySettings

__all__ = [
    "HTTP_TOKEN_VARIABLE",
    "MIN_TOKEN",
    "TOKEN_VARIABLE",
    "AttachedSettings",
    "ConfluenceSettings",
    "LokiSettings",
    "PagerDutySettings",
    "PrometheusSettings",
    "RuntimeSettings",
    "ToolSettings",
    "environment_with",
    "http_token",
    "load",
    "masking_key",
    "parse_yaml",
    "read_yaml",
    "secret_of",
    "token",
]
