"""The one door to a Docker Engine: the `docker` SDK, in threads, with its errors told in sentences.

docs/safety.md lists every call that is made here; a socket proxy may refuse all others.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from mcp_tools.errors import TargetUnavailable, ToolError

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")
Json = dict[str, Any]

# Only asked for the version that the Engine speaks, so any will do.
OLDEST = "1.24"
TIMEOUT_SECONDS = 30.0
THREADS = 16
FIRST_LINES = 256


class Engine:
    """One Engine at `url`, for example unix:///var/run/docker.sock or tcp://proxy:2375."""

    def __init__(self, url: str, seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url
        self._seconds = seconds
        self._opening: asyncio.Future[APIClient] | None = None
        # Not the loop's own few threads: a slow Engine must not hold up everybody's files.
        self._threads = ThreadPoolExecutor(THREADS, "engine")

    async def containers(self, labels: Sequence[str]) -> list[Json]:
        """Every container with these labels, stopped ones too."""
        filters = {"label": list(labels)}
        return await self._run(lambda api: api.containers(all=True, filters=filters))

    async def inspect(self, container: str) -> Json:
        """What the Engine knows about one container, by id or name."""
        return await self._run(lambda api: api.inspect_container(container))

    async def restart(self, container: str, grace_seconds: int) -> None:
        """Stop it, kill it when it takes longer than `grace_seconds`, and start it again."""
        await self._run(lambda api: api.restart(container, timeout=grace_seconds))

    async def remove(self, container: str) -> None:
        """Remove a container that does not run; its volumes stay."""
        await self._run(lambda api: api.remove_container(container))

    async def log_tail(self, container: str, max_bytes: int) -> tuple[bytes, bool]:
        """The end of both streams, and whether there was more before."""
        return await self._run(lambda api: _tail(api, container, max_bytes))

    async def stats(self, container: str) -> Json:
        """One sample of its use of processor and memory, with the sample before."""
        return await self._run(lambda api: api.stats(container, stream=False))

    async def events(
        self, since: datetime, until: datetime, filters: Mapping[str, list[str]]
    ) -> list[Json]:
        """What happened between two times, oldest first."""
        first, last = f"{since.timestamp():.6f}", f"{until.timestamp():.6f}"
        return await self._run(
            lambda api: list(api.events(first, last, filters=dict(filters), decode=True))
        )

    async def _run(self, call: Callable[["APIClient"], T]) -> T:
        try:
            # The SDK's own time-out is for each read; this one is for the whole call.
            async with asyncio.timeout(2 * self._seconds):
                # All who come while the first connection is made share it, or its failure.
                self._opening = self._opening or self._in_thread(self._open)
                opening = self._opening
                try:
                    client = await asyncio.shield(opening)
                except ToolError:
                    self._opening = None if self._opening is opening else self._opening
                    raise
                return await self._in_thread(lambda: call(client))
        except TimeoutError:
            raise TargetUnavailable(
                f"The Docker Engine at {self.url} did not answer in time.", "Try again later."
            ) from None

    def _in_thread(self, call: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, self._told, call)

    def _told(self, call: Callable[[], T]) -> T:
        """Make the call in this thread; foreign errors end here."""
        import requests
        from docker.errors import APIError, DockerException, NotFound

        try:
            return call()
        except NotFound as failure:
            raise ToolError(
                f"The Engine has no such container: {failure.explanation}.", "Check `services`."
            ) from failure
        except APIError as failure:
            if failure.response is not None and failure.response.status_code in {401, 403, 405}:
                request = failure.response.request
                raise ToolError(
                    f"The Engine's proxy refuses {request.method} {request.path_url}.",
                    "Permit the calls that docs/safety.md lists.",
                ) from failure
            raise ToolError(f"The Engine says: {failure.explanation or failure}.") from failure
        except (DockerException, requests.RequestException, OSError) as failure:
            raise TargetUnavailable(
                f"The Docker Engine at {self.url} is not available: {_root(failure)}.",
                "Check that it runs and that this user may use its socket.",
            ) from failure

    def _open(self) -> "APIClient":
        """A client that speaks the Engine's version: new ones refuse what old ones speak.

        Not the SDK's own `auto`, which leaves a connection behind when the Engine does not answer.
        """
        _knock(self.url)
        version = self._client_of(OLDEST)
        try:
            spoken = version.version(api_version=False)["ApiVersion"]
        finally:
            version.close()
        return self._client_of(spoken)

    def _client_of(self, version: str) -> "APIClient":
        from docker import APIClient

        return APIClient(
            base_url=self.url,
            version=version,
            timeout=self._seconds,
            max_pool_size=THREADS,
        )

    async def aclose(self) -> None:
        """Close the connections; calls that are under way end by their own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        opened, self._opening = self._opening, None
        if opened is not None and opened.done() and not opened.cancelled():
            opened.result().close()


def _knock(url: str) -> None:
    """Fail like the SDK when nobody listens, but without the socket that it then forgets to close."""
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.connect(url.removeprefix("unix://"))


def _root(failure: BaseException) -> str:
    """The innermost cause: the layers above only repeat it."""
    while failure.__cause__ is not None or failure.__context__ is not None:
        failure = failure.__cause__ or failure.__context__ or failure
    return (getattr(failure, "strerror", None) or str(failure) or type(failure).__name__).rstrip(
        "."
    )


def _tail(api: "APIClient", container: str, max_bytes: int) -> tuple[bytes, bool]:
    """Asks for more and more lines until they fill `max_bytes`: the Engine counts lines, not bytes."""
    lines = FIRST_LINES
    while True:
        kept, total = bytearray(), 0
        for chunk in _stream(api, container, lines):
            kept += chunk
            total += len(chunk)
            if len(kept) > 2 * max_bytes:
                del kept[:-max_bytes]
        enough = total > max_bytes
        if enough or kept.count(b"\n") < lines:
            cut = bytes(kept[-max_bytes:])
            # Without a line break in reach the cut line is still better than nothing.
            return (cut[cut.find(b"\n") + 1 :] if enough else cut), enough
        lines *= 4


def _stream(api: "APIClient", container: str, lines: int) -> Iterator[bytes]:
    chunks: Iterator[bytes] = api.logs(
        container, stdout=True, stderr=True, stream=True, follow=False, tail=lines
    )
    return chunks
