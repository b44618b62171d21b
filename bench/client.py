"""The load: a process that keeps so many connections busy, over bare sockets.

`python -m bench.client` reads a Plan as JSON from its input and writes a Load to its output. It
spends a fraction of what a receiver does on one notification, and says how busy it was, so that
nobody has to believe that it was not the bottleneck.
"""

import dataclasses
import json
import resource
import select
import socket
import subprocess
import sys
import time

from bench.payload import numbered, template

# A body must fit, so that sending never waits for the receiver.
BUFFER = 1 << 20


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is sent. `first` is the number of the first notification, `rate` 0 is as fast as it goes."""

    port: int
    connections: int
    alerts: int
    seconds: float
    first: int
    token: str = ""
    rate: float = 0.0
    most: int = 1 << 60


@dataclasses.dataclass(frozen=True)
class Load:
    """What came of it: latencies in seconds, answers by status, and how busy the client was."""

    seconds: float
    latencies: list[float]
    answers: dict[str, int]
    busy: float

    @property
    def stored(self) -> int:
        """How many were answered 200."""
        return self.answers.get("200", 0)

    @property
    def rate(self) -> float:
        """200s per second."""
        return self.stored / self.seconds

    def percentile(self, share: float) -> float:
        """Of the latencies, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(plan: Plan) -> Load:
    """In a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.client"],
        input=json.dumps(dataclasses.asdict(plan)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the client failed: {done.stderr[-2000:]}")
    return Load(**json.loads(done.stdout))


class Connection:
    """One connection, one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.received = b""

    def send(self, request: bytes) -> None:
        """Does not wait for the answer."""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def answer(self) -> str:
        """The status, once the answer is whole; empty until then."""
        more = self.socket.recv(65536)
        if not more:
            return "closed"
        self.received += more
        head, ended, body = self.received.partition(b"\r\n\r\n")
        if not ended:
            return ""
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return ""
        self.received = b""
        return head[9:12].decode()


class Sender:
    """Keeps the connections busy."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._body = template(plan.alerts)
        self._head = (
            "POST /webhook/alertmanager HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "User-Agent: Alertmanager/0.25.0\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {plan.token}\r\nContent-Length: {len(self._body)}\r\n\r\n"
        ).encode()
        self._next = plan.first
        self.latencies: list[float] = []
        self.answers: dict[str, int] = {}

    def _send(self, connection: Connection) -> None:
        connection.send(self._head + numbered(self._body, self._next))
        self._next += 1

    def _more(self, started: float) -> bool:
        sent = self._next - self._plan.first
        if sent >= self._plan.most:
            return False
        return not self._plan.rate or sent < self._plan.rate * (time.perf_counter() - started)

    def run(self) -> float:
        """Send for so long, wait for the last answers; the seconds it took."""
        idle = [Connection(self._plan.port) for _ in range(self._plan.connections)]
        by_number = {item.socket.fileno(): item for item in idle}
        poll = select.epoll()
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        started = time.perf_counter()
        until = started + self._plan.seconds
        busy = 0
        while True:
            now = time.perf_counter()
            while idle and now < until and self._more(started):
                self._send(idle.pop())
                busy += 1
            if not busy and (now >= until or self._next - self._plan.first >= self._plan.most):
                return time.perf_counter() - started
            for number, _ in poll.poll(0.001 if idle and now < until else 5):
                status = by_number[number].answer()
                if status:
                    self._answered(by_number[number], status)
                    idle.append(by_number[number])
                    busy -= 1

    def _answered(self, connection: Connection, status: str) -> None:
        self.answers[status] = self.answers.get(status, 0) + 1
        self.latencies.append(time.perf_counter() - connection.sent_at)
        if status == "closed":
            raise RuntimeError("the receiver closed a connection")


def main() -> None:
    """See the module."""
    plan = Plan(**json.load(sys.stdin))
    sender = Sender(plan)
    before = resource.getrusage(resource.RUSAGE_SELF)
    seconds = sender.run()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    load = Load(seconds, sender.latencies, sender.answers, used / seconds)
    json.dump(dataclasses.asdict(load), sys.stdout)


if __name__ == "__main__":
    main()
