"""A channel that posts JSON to an HTTP endpoint."""

import hashlib
import hmac
import json
from dataclasses import asdict

import httpx

from sre_daemon.domain.delivery import News
from sre_daemon.errors import NotifyError
from sre_daemon.notify.http import posted
from sre_daemon.notify.message import Message


class WebhookChannel:
    """One endpoint. The same message has the same `Idempotency-Key`."""

    def __init__(self, name: str, url: str, secret: str = "") -> None:
        self.name = name
        self._url = url
        self._secret = secret.encode()
        self._http = httpx.AsyncClient(timeout=10, follow_redirects=False, trust_env=False)

    def keeps_up(self, _: News) -> bool:
        """See Channel: only what routes send."""
        return False

    async def send(self, message: Message) -> None:
        """Post it; anything but 2xx is a NotifyError."""
        # Escaped to ASCII: what people and models write may be text that UTF-8 cannot say.
        body = json.dumps(asdict(message)).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
        if self._secret:
            signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
            headers["X-Sre-Daemon-Signature"] = f"sha256={signature}"
        response = await posted(self._http, self._url, body, headers)
        if not response.is_success:
            raise NotifyError(f"answered {response.status_code}")

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()
