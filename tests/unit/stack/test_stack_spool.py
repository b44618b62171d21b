"""The folder of receipts is kept small, is taken over after a restart, and never passes its limit."""

import pytest
from prometheus_client import REGISTRY

from stack import spool
from stack.journal import Journal
from stack.spool import FILE_BYTES, Spool

SERVICE = "spool-test"


def lines(level):
    return REGISTRY.get_sample_value("log_lines_total", {"service": SERVICE, "level": level}) or 0


def make(folder, keep):
    made = Spool(folder, keep, SERVICE, Journal(SERVICE))
    made.find()
    return made


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_the_newest_files_are_kept(tmp_path):
    made, seen = make(tmp_path, 3), []
    for _ in range(5):
        made.write()
        seen.append(names(tmp_path)[-1])
    assert names(tmp_path) == seen[2:]
    assert REGISTRY.get_sample_value("spool_bytes", {"service": SERVICE}) == 3 * FILE_BYTES


def test_a_restart_with_the_right_setting_removes_what_is_too_much(tmp_path):
    wrong = make(tmp_path, 20_000)
    for _ in range(10):
        wrong.write()
    newest = names(tmp_path)[-4:]
    make(tmp_path, 4)
    assert names(tmp_path) == newest


def test_at_the_limit_nothing_is_written_and_it_is_said_once(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "LIMIT_BYTES", 2 * FILE_BYTES)
    made, before = make(tmp_path, 20_000), lines("error")
    for _ in range(4):
        made.write()
    assert made.full
    assert len(names(tmp_path)) == 2
    assert lines("error") - before == 1


@pytest.mark.parametrize(("lowest", "written"), [("DEBUG", 1), ("INFO", 0), ("ERROR", 0)])
def test_lines_below_the_level_are_neither_written_nor_counted(lowest, written, capsys):
    before = lines("debug")
    Journal(SERVICE, lowest)("DEBUG", "a row")
    assert lines("debug") - before == written
    assert capsys.readouterr().out.count("a row") == written
