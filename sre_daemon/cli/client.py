"""The daemon's API, as the commands use it."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from sre_daemon.errors import ConfigError, DaemonError


class Unreachable(DaemonError):
    """Nobody answers; exit code 3."""


class Declined(DaemonError):
    """The daemon said no; exit code 1."""


class Client:
    """One daemon."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = url
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=10, trust_env=False, follow_redirects=False
        )

    def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON answer. Raises Unreachable, Declined, ConfigError."""
        return self._ask("GET", path, params=list(params))

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """The same, for POST."""
        return self._ask("POST", path, json=dict(body))

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            response = self._http.request(method, f"/api/v1{path}", **more)
        except httpx.InvalidURL as failure:
            raise ConfigError(f"{self._url} is no address: {failure}", "--url http://…") from None
        except httpx.HTTPError as failure:
            raise Unreachable(
                f"no answer from {self._url}: {type(failure).__name__}",
                "is the daemon running? --url or SRE_DAEMON_URL says where",
            ) from failure
        try:
            data = response.json()
        except ValueError:
            raise Unreachable(f"{self._url} is not an sre-daemon", "check --url") from None
        if not response.is_success:
            error = data.get("error", {})
            raise Declined(error.get("message", str(response.status_code)), error.get("hint", ""))
        return data
