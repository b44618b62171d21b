"""Finds the processes of a run by what they carry, wherever they hang in the process tree.

The children of the test process would not do: other tests' servers are among them, and a process
that its parent left behind is not.
"""

from pathlib import Path

import psutil


def belonging_to(folder: Path) -> list[psutil.Process]:
    """Every other process whose command line, environment or working directory names the folder."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != psutil.Process().pid and _names(process, str(folder))
    ]


def _names(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        told = [*process.cmdline(), *process.environ().values(), process.cwd()]
    except psutil.Error:
        # It ended while it was looked at, or is the kernel's.
        return False
    return any(folder in item for item in told)
