"""The faults: each breaks the shop the way an operator or a program would. Messages give nothing away."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stack import postgres

if TYPE_CHECKING:
    from stack.shop import Shop


class Held(Protocol):
    """Something that keeps the fault up until it is closed."""

    async def close(self) -> None:
        """Let go."""
        ...


@dataclass(frozen=True)
class Fault:
    """`alert` is the rule that must fire; `repairable` whether the shop's policy covers the repair."""

    name: str
    description: str
    alert: str
    repairable: bool
    inject: Callable[["Shop"], Awaitable[Held | None]]


def _deploy(values: Mapping[str, str], message: str) -> Callable[["Shop"], Awaitable[None]]:
    async def inject(stack: "Shop") -> None:
        await stack.deploy(values, "alice", message)

    return inject


async def _lock_table(stack: "Shop") -> Held:
    """A reporting job that locks a table and forgets to end its transaction."""
    connection = await postgres.connect(stack.ports.postgres)
    await connection.execute("SET application_name = 'report-job'")
    await connection.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    held: Held = connection
    return held


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "pool-size",
            "DB_POOL_SIZE goes from 20 to 1; most requests for users find no connection.",
            "ApiDbPoolExhausted",
            True,
            _deploy({"DB_POOL_SIZE": "1"}, "align settings with staging"),
        ),
        Fault(
            "pool-timeout",
            # Too short even for opening a connection, so the pool never grows beyond its first.
            "DB_POOL_TIMEOUT goes from 2 s to 1 ms; whoever is not served at once fails.",
            "ApiHighErrorRate",
            True,
            _deploy({"DB_POOL_TIMEOUT": "0.001"}, "fail fast instead of queueing"),
        ),
        Fault(
            "bad-value",
            "DB_POOL_SIZE becomes a word; the API server dies at each start.",
            "ApiDown",
            True,
            _deploy({"DB_POOL_SIZE": "twenty"}, "make settings readable"),
        ),
        Fault(
            "table-lock",
            "A job holds a lock on the users table; every request for users waits for it.",
            "ApiHighErrorRate",
            False,
            _lock_table,
        ),
    )
}
