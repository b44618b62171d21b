"""JSON over HTTP for services that are written to: patience for what passes, words for what does not.

What may be sent twice is sent again after a lost answer; what may not is sent again only when the
service surely did not take it. A service that asks for more patience than a call has is not asked
again before its time.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mcp_tools.errors import TargetUnavailable, ToolError

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

MAX_ANSWER_BYTES = 4 << 20
TOLD = 300
PASSING = frozenset({429, 500, 502, 503, 504})
Parameters = Mapping[str, str | list[str]]

HINTS = {
    301: "Check its base address in the settings.",
    302: "Check its base address in the settings.",
    400: "Correct the arguments.",
    401: "The key is wrong or has expired: a person has to look at it.",
    403: "The key may not do this: a person has to look at its rights.",
    404: "There is no such thing, or the key may not see it: check the identifier.",
    409: "It was changed meanwhile: look at it again, then decide anew.",
    413: "Shorten the text.",
    422: "Correct the arguments.",
    429: "It has had too many requests: go on with something else and try again in a few minutes.",
}
PASSES = "This is a fault on its side: try again in a few minutes, and tell a person meanwhile."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one try may take, and within which time all tries of a request begin."""

    timeout: float = 8.0
    tries: int = 4
    first_wait: float = 0.5
    total: float = 15.0


class Failed(ToolError):
    """The service said no; `status` is its HTTP status."""

    def __init__(self, status: int, reason: str, hint: str = "") -> None:
        super().__init__(reason, hint)
        self.status = status


class Lost(TargetUnavailable):
    """No answer came, so the request may or may not have been carried out."""


class _Again(Exception):
    """Try once more; `after` is what the service asked for, `lost` whether it may have acted."""

    def __init__(self, failure: ToolError, after: float | None = None, *, lost: bool) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.after = after
        self.lost = lost


class RestClient:
    """One service. Waits double from try to try, unless the service names a time."""

    def __init__(
        self, name: str, url: str, headers: Mapping[str, str], patience: Patience = Patience()
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._headers = dict(headers)
        self._patience = patience
        self._client: httpx.AsyncClient | None = None

    async def request(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = True,
    ) -> Any:
        """Send, and send again while that may help; the decoded answer, a JSON object.

        Raises:
            Failed: the service refused.
            Lost: no answer came, and the request may have been carried out.
            TargetUnavailable: it was surely not carried out.
        """
        from tenacity import (
            AsyncRetrying,
            retry_if_exception,
            stop_after_attempt,
            stop_before_delay,
        )

        def again(error: BaseException) -> bool:
            return isinstance(error, _Again) and (repeatable or not error.lost)

        tries = AsyncRetrying(
            stop=stop_after_attempt(self._patience.tries) | stop_before_delay(self._patience.total),
            wait=self._wait,
            retry=retry_if_exception(again),
            reraise=True,
        )
        try:
            return await tries(self._send, method, path, parameters, body)
        except _Again as last:
            raise last.failure from None

    def _wait(self, state: "RetryCallState") -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, _Again) and error.after is not None:
            return error.after
        return float(self._patience.first_wait * 2 ** (state.attempt_number - 1))

    async def _send(
        self, method: str, path: str, parameters: Parameters | None, body: Mapping[str, Any] | None
    ) -> Any:
        import httpx

        client = self._open()
        request = client.build_request(
            method, self.url + path, params=dict(parameters or {}), json=body
        )
        try:
            # httpx bounds each read; an answer that drips has to be bounded as a whole.
            async with asyncio.timeout(self._patience.timeout + 1):
                answer = await client.send(request, stream=True)
                try:
                    data = await self._read(answer)
                finally:
                    await answer.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as failure:
            unavailable = TargetUnavailable(
                f"{self.name} at {self.url} cannot be reached: {_words(failure)}.",
                "Nothing was changed; go on with something else and try again later.",
            )
            raise _Again(unavailable, lost=False) from failure
        except (httpx.HTTPError, TimeoutError) as failure:
            lost = Lost(
                f"{self.name} gave no whole answer: {_words(failure)}.",
                "A change may have been made: look before you ask for it again.",
            )
            raise _Again(lost, lost=True) from failure
        return self._judged(answer, data)

    async def _read(self, answer: "httpx.Response") -> bytes:
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise ToolError(
                    f"{self.name}'s answer is larger than {MAX_ANSWER_BYTES} bytes.",
                    "Ask for less.",
                )
        return bytes(body)

    def _judged(self, answer: "httpx.Response", data: bytes) -> Any:
        status = answer.status_code
        try:
            decoded = json.loads(data)
        except (ValueError, RecursionError):
            decoded = None
        if answer.is_success:
            if not isinstance(decoded, dict):
                raise ToolError(
                    f"{self.name} answered {status} and no JSON object.",
                    "Check its base address in the settings.",
                )
            return decoded
        passing = PASSES if status in PASSING else ""
        failure = Failed(
            status,
            f"{self.name} says {status}: {_said(decoded, data)}.",
            HINTS.get(status, passing),
        )
        if status in PASSING:
            # Too many requests means that this one was not looked at.
            raise _Again(failure, _asked(answer), lost=status != 429)
        raise failure

    def _open(self) -> "httpx.AsyncClient":
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._patience.timeout,
                headers=self._headers,
                trust_env=False,
                follow_redirects=False,
            )
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _words(failure: Exception) -> str:
    return str(failure) or type(failure).__name__


def part(identifier: str) -> str:
    """An identifier as one part of a path, whatever characters are in it."""
    encoded = quote(identifier, safe="")
    # Dots alone would be understood as folders.
    return encoded.replace(".", "%2E") if not encoded.strip(".") else encoded


def _asked(answer: "httpx.Response") -> float | None:
    """Retry-After in seconds, be it a number or a date; a date counts from the answer's own."""
    from email.utils import parsedate_to_datetime

    asked = answer.headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked[:9])
    try:
        until = parsedate_to_datetime(asked)
        return max(0.0, (until - parsedate_to_datetime(answer.headers["Date"])).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None


def _said(decoded: object, data: bytes) -> str:
    """The service's own words, in the form of PagerDuty or of Confluence."""
    words = " ".join(data[:TOLD].decode("utf-8", "replace").split())
    if isinstance(decoded, dict):
        error = decoded.get("error")
        if isinstance(error, dict):
            details = error.get("errors")
            more = f" ({'; '.join(map(str, details))})" if isinstance(details, list) else ""
            words = f"{error.get('message', 'no message')}{more}"
        elif decoded.get("message"):
            words = str(decoded["message"])
    return words[:TOLD].rstrip(".") or "nothing"
