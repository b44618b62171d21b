"""The daemon's API, as the commands use it."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from sre_daemon.errors import ConfigError, DaemonError
from sre_daemon.settings import client_environment

SECONDS = 10.0


class Unreachable(DaemonError):
    """Nobody answers, or the daemon cannot work now; exit code 3."""


class Declined(DaemonError):
    """The daemon said no; exit code 1."""


class Client:
    """One daemon."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON answer. Raises Unreachable, Declined, ConfigError."""
        return self._ask("GET", path, params=list(params))

    def post(self, path: str, body: Mapping[str, object], seconds: float = SECONDS) -> Any:
        """The same, for POST."""
        return self._ask("POST", path, seconds, json=dict(body))

    def _ask(self, method: str, path: str, seconds: float = SECONDS, **more: Any) -> Any:
        try:
            address = urlsplit(self._url)
            if address.scheme not in {"http", "https"} or not address.hostname:
                raise ValueError
            httpx.URL(self._url)
        except (ValueError, httpx.InvalidURL):
            raise ConfigError(f"{self._url} is no address", "--url http://HOST:PORT") from None
        try:
            with httpx.Client(timeout=seconds, trust_env=False, headers=self._headers) as http:
                response = http.request(method, f"{self._url}/api/v1{path}", **more)
        except UnicodeEncodeError:
            raise ConfigError("the API token has characters that no token has") from None
        except httpx.HTTPError as failure:
            raise Unreachable(
                f"no answer from {self._url}: {type(failure).__name__}",
                "is the daemon running? --url or SRE_DAEMON_URL says where",
            ) from failure
        try:
            data = response.json()
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise Unreachable(f"{self._url} is not an sre-daemon", "check --url")
        if not response.is_success:
            raise _refusal(response.status_code, data.get("error"))
        return data


def _refusal(status: int, error: object) -> DaemonError:
    said = error if isinstance(error, Mapping) else {}
    reason, hint = str(said.get("message", f"answer {status}")), str(said.get("hint", ""))
    if status in {401, 403}:
        return ConfigError(reason, "set SRE_DAEMON_API_TOKEN to the daemon's token")
    return Unreachable(reason, hint) if status >= 500 else Declined(reason, hint)


def connect(url: str) -> Client:
    """The daemon at `url`, or else the one that the environment names."""
    known, token = client_environment()
    return Client(url or known, token)
