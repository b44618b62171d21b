"""kill -9 under load, a hundred times: whatever was acknowledged is in the store exactly once."""

import multiprocessing
import random
import re
import sqlite3
from contextlib import closing

import pytest

from tests.support.intake_process import run

KILLS = 100


def killed(context, file, first, after):
    """The numbers that a process acknowledged before it was killed in the middle of its work."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(str(file), first, theirs))
    process.start()
    theirs.close()
    with closing(ours), open(ours.fileno(), "rb", closefd=False) as lines:
        said = [int(lines.readline()) for _ in range(after)]
        process.kill()
        # The last line may be cut; then nobody was told that number.
        rest = lines.read()
        said += [int(line) for line in rest[: rest.rfind(b"\n") + 1].split()]
    process.join()
    process.close()
    return said


def audit(file, acknowledged):
    """Every acknowledged one is there exactly once, whole, and nothing is damaged."""
    with closing(sqlite3.connect(file)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        bodies = [row[0] for row in store.execute("SELECT body FROM notifications")]
        stored = [int(re.search(rb'"n":"(\d+)"', body)[1]) for body in bodies]
        assert len(stored) == len(set(stored))
        assert acknowledged <= set(stored)
        (episodes,) = store.execute("SELECT count(*) FROM episodes WHERE open").fetchone()
        assert episodes == len(stored)
        orphans = store.execute(
            "SELECT count(*) FROM episodes WHERE incident_id NOT IN (SELECT id FROM incidents)"
        ).fetchone()
        assert orphans == (0,)


@pytest.mark.timeout(300)
def test_a_hundred_kills_lose_nothing_that_was_acknowledged(tmp_path):
    dice = random.Random(20260314)
    file, acknowledged = tmp_path / "store.sqlite3", set()
    # A server that has everything loaded forks each victim, so that it works at once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.intake_process"])
    for turn in range(KILLS):
        acknowledged.update(killed(context, file, turn * 100_000, dice.randrange(1, 60)))
        audit(file, acknowledged)
    assert len(acknowledged) > 10 * KILLS
