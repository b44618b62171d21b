"""A channel that posts JSON to an HTTP endpoint."""

import json
from dataclasses import asdict
from urllib.parse import urlsplit

import httpx

from sre_daemon.errors import NotifyError
from sre_daemon.notify.base import Message

JSON = {"Content-Type": "application/json"}


class WebhookChannel:
    """One endpoint."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Without path and query: they often carry a secret.
        self.name = f"webhook {urlsplit(url).hostname}"
        self._http = httpx.AsyncClient(timeout=10, follow_redirects=False, trust_env=False)

    async def send(self, message: Message) -> None:
        """Post it; anything but 2xx is a NotifyError."""
        try:
            # Escaped to ASCII: what people and models write may be text that UTF-8 cannot say.
            body = json.dumps(asdict(message))
            response = await self._http.post(self._url, content=body, headers=JSON)
        except httpx.HTTPError as failure:
            raise NotifyError(f"no answer: {type(failure).__name__}") from failure
        if not response.is_success:
            raise NotifyError(f"answered {response.status_code}")

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()
