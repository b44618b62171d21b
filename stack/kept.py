"""The demo that was left running: another process finds it and stops it.

The lock on the file is the truth, not the number in it: a process id may be somebody else's by now.
"""

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

# Below the folder that the demo is called in: the checkout, for `make demo`.
FOLDER = Path("build/demo")
POINTER = FOLDER / "running.json"
STOP_SECONDS = 40


def hold(root: Path) -> TextIO | None:
    """Say that this process keeps a demo until the file is closed; None when another one does."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = POINTER.open("a+", encoding="utf-8")
    if not _lock(file):
        file.close()
        return None
    file.truncate(0)
    json.dump({"pid": os.getpid(), "root": str(root)}, file)
    file.flush()
    return file


def stop() -> int:
    """Stop it and wait until all of it is gone; the exit code."""
    try:
        file = POINTER.open("r+", encoding="utf-8")
    except FileNotFoundError:
        sys.stdout.write("no demo is running\n")
        return 0
    with file:
        if _lock(file):
            sys.stdout.write("no demo is running\n")
            return 0
        kept = json.load(file)
        sys.stdout.write(f"stopping the demo in {kept['root']}\n")
        sys.stdout.flush()
        os.kill(kept["pid"], signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while not _lock(file):
            if time.monotonic() > deadline:
                sys.stderr.write(f"process {kept['pid']} does not stop\n")
                return 1
            time.sleep(0.1)
    return 0


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
