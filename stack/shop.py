"""A running shop, whatever runs it: where its servers answer, and what an operator does to it."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from stack import deployments, envfile, files
from stack.faults import FAULTS, Held
from stack.files import Ports

START_SECONDS = 40
Progress = Callable[[str], None]


class StackError(Exception):
    """The stack does not run; the text has the last lines of the log that says why."""


class Shop(ABC):
    """One running stack below `root`, an empty folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.webhook_token = secrets.token_urlsafe(24)
        self.api_token = secrets.token_urlsafe(24)
        self.config_file = root / "config" / "api-server.env"
        self.deployments = root / "deployments.jsonl"
        self.ports = Ports.free()
        self.api = f"http://127.0.0.1:{self.ports.api}"
        self.prometheus = f"http://127.0.0.1:{self.ports.prometheus}"
        self.alertmanager = f"http://127.0.0.1:{self.ports.alertmanager}"
        self.daemon = f"http://127.0.0.1:{self.ports.daemon}"
        self._held: list[Held] = []

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @abstractmethod
    async def start(self, progress: Progress = lambda _: None) -> None:
        """Start everything and wait until it answers.

        Raises:
            StackError: naming the program that does not.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Stop everything; nothing is left but the files."""

    @abstractmethod
    async def start_program(self, program: str) -> None:
        """Start it, if it does not run."""

    @abstractmethod
    async def stop_program(self, program: str) -> None:
        """Stop it and wait, if it runs."""

    @abstractmethod
    async def recreate(self, service: str) -> None:
        """Have it run with its configuration as it is now; a start that fails is no error here."""

    @abstractmethod
    async def signal(self, program: str, number: int) -> None:
        """Send a signal to the program's process."""

    @abstractmethod
    def log(self, program: str, lines: int = 20) -> str:
        """The end of its log."""

    def config(self) -> dict[str, str]:
        """The API server's configuration as it is in the file."""
        return envfile.read(self.config_file)

    async def redeploy(self, service: str, author: str, message: str) -> None:
        """Restart a service with its configuration as it is now, and record that."""
        deployments.record(self.deployments, self.config_file, service, author, message)
        await self.recreate(service)

    async def deploy(self, values: Mapping[str, str], author: str, message: str) -> None:
        """Change configuration values of the API server and redeploy it."""
        for key, value in values.items():
            envfile.change(self.config_file, key, value)
        await self.redeploy("api-server", author, message)

    async def inject(self, name: str) -> None:
        """Break the shop as the fault of this name does."""
        held = await FAULTS[name].inject(self)
        if held is not None:
            self._held.append(held)

    async def heal(self) -> None:
        """Back to the good configuration, as a person would."""
        await self.let_go()
        good = {key: files.GOOD[key] for key in files.CHANGED}
        await self.deploy(good, "release", "roll back")

    async def let_go(self) -> None:
        """End the faults that something outside of the shop keeps up."""
        for held in self._held:
            await held.close()
        self._held.clear()

    async def answers(self, program: str, url: str, seconds: float = START_SECONDS) -> None:
        """Until the URL answers 200.

        Raises:
            StackError: it does not in time.
        """
        async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        try:
                            if (await http.get(url)).is_success:
                                return
                        except httpx.HTTPError:
                            pass
                        await asyncio.sleep(0.1)
            except TimeoutError:
                raise StackError(
                    f"{program} does not answer at {url}; the end of its log:\n{self.log(program)}"
                ) from None
