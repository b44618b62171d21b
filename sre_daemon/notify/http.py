"""What channels over HTTP have in common: errors as ours, without addresses that may hold a secret."""

from collections.abc import Mapping

import httpx

from sre_daemon.errors import NotifyError

LONGEST = 3600.0


async def posted(
    http: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str]
) -> httpx.Response:
    """The answer to a POST.

    Raises:
        NotifyError: there is none, or it asks us to come back later.
    """
    try:
        response = await http.post(url, content=body, headers=dict(headers))
    except httpx.HTTPError as failure:
        raise NotifyError(f"no answer: {type(failure).__name__}") from failure
    if response.status_code in {429, 503}:
        raise NotifyError(f"answered {response.status_code}", retry_after=asked_pause(response))
    return response


def asked_pause(response: httpx.Response) -> float:
    """Seconds in `Retry-After`, where it says so in seconds."""
    text = response.headers.get("Retry-After", "")
    try:
        return min(LONGEST, max(0.0, float(text)))
    except ValueError:
        return 0.0
