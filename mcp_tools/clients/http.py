"""JSON over HTTP with a bound on the answer's size, and every failure told in a sentence.

httpx is imported on first use: it costs more than all of this package.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcp_tools.errors import TargetUnavailable, ToolError

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 1 << 20
MAX_SAID = 200
# Forty readings at once must not queue here; what one may cost is bounded elsewhere.
MAX_CONCURRENT = 64


class JsonClient:
    """One endpoint, one shared connection pool. Redirects and proxies are not followed."""

    def __init__(
        self, name: str, url: str, timeout_seconds: float, headers: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._timeout = timeout_seconds
        self._headers = dict(headers or {})
        self._client: httpx.AsyncClient | None = None
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def get(self, path: str, parameters: Mapping[str, str | list[str]]) -> tuple[int, Any]:
        """GET and decode.

        Returns:
            The status and the decoded body.

        Raises:
            TargetUnavailable: no answer in time, or one that is not JSON.
            ToolError: the answer is too large.
        """
        import httpx

        async with self._slots:
            try:
                async with (
                    asyncio.timeout(self._timeout + 1),
                    self._open().stream("GET", self.url + path, params=dict(parameters)) as answer,
                ):
                    body = await self._body(answer)
            except TimeoutError:
                raise self._unavailable(f"no answer within {self._timeout:g} s") from None
            except httpx.TimeoutException:
                raise self._unavailable(f"no answer within {self._timeout:g} s") from None
            except httpx.HTTPError as failure:
                raise self._unavailable(str(failure) or type(failure).__name__) from failure
        try:
            return answer.status_code, json.loads(body)
        except (ValueError, RecursionError):
            said = " ".join(body[:MAX_SAID].decode("utf-8", "replace").split())
            problem = f"status {answer.status_code} and no JSON: {said or 'an empty answer'}"
            raise self._unavailable(problem) from None

    async def _body(self, answer: "httpx.Response") -> bytes:
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise ToolError(
                    f"{self.name}'s answer is larger than {MAX_ANSWER_BYTES} bytes.",
                    "Ask for less: aggregate, add label matchers, or use topk.",
                )
        return bytes(body)

    def _unavailable(self, problem: str) -> TargetUnavailable:
        return TargetUnavailable(
            f"{self.name} at {self.url} is not available: {problem}.",
            "Check that it runs; go on with the other sources.",
        )

    def _open(self) -> "httpx.AsyncClient":
        import httpx

        if self._client is None:
            # Loading the certificate store takes 40 ms, which plain HTTP need not pay.
            secure = self.url.startswith("https:")
            context = (
                ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
            self._client = httpx.AsyncClient(
                timeout=self._timeout,
                verify=context,
                trust_env=False,
                follow_redirects=False,
                headers=self._headers,
                limits=httpx.Limits(max_connections=MAX_CONCURRENT),
            )
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
