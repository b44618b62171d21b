"""The page of measurements: a block of its own for each, and no other is touched."""

import pytest

from bench import __main__ as command
from bench import client, page, payload
from bench.area import Finding, Goal, spread


def test_a_second_run_replaces_its_block_only(tmp_path):
    file = tmp_path / "performance.md"
    page.write("intake.speed", "Speed", Finding("first"), file)
    page.write("agent.start", "Start", Finding("other"), file)
    page.write("intake.speed", "Speed", Finding(r"again \1"), file)
    text = file.read_text()
    assert r"again \1" in text
    assert "first" not in text
    assert text.index("## Speed") < text.index("## Start")
    assert text.count("## ") == 2


def test_a_goal_that_is_missed_says_so(tmp_path):
    file = tmp_path / "performance.md"
    goals = [Goal("fast", "slow", holds=False), Goal("small", "tiny", holds=True)]
    page.write("a.b", "T", Finding("", goals), file)
    assert "| fast | slow | **no** |" in file.read_text()
    assert "| small | tiny | yes |" in file.read_text()


def test_the_median_stands_with_its_range():
    assert spread([0.5, 0.1, 0.4, 0.3]) == "0.35 (0.1 to 0.5)"


def test_notifications_are_valid_and_differ_where_they_are_marked():
    body = payload.template(10)
    one, other = (payload.numbered(body, number) for number in (1, 23))
    first, second = (payload.NOTIFICATION.validate_json(raw) for raw in (one, other))
    assert len(one) == len(other) == len(body)
    assert first.groupKey != second.groupKey
    pods = {alert.labels["pod"] for said in (first, second) for alert in said.alerts}
    assert len(pods) == 20


def test_what_is_not_measured_is_refused(capsys):
    with pytest.raises(SystemExit):
        list(command._parts(["intake.nothing"], command.argparse.ArgumentParser()))
    assert "intake.speed" in capsys.readouterr().err


def test_percentiles_are_of_all_answers():
    load = client.Load(2.0, [n / 1000 for n in range(100)], {"200": 90, "503": 10}, 0.1)
    assert (load.rate, load.percentile(0.5), load.percentile(0.99)) == (45, 50, 99)
