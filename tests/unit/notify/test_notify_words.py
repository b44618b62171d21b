"""Messages in words: what a person reads, and that foreign text cannot pretend to be more."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.notify.message import Message, Proof
from sre_daemon.notify.notifier import FIRST_PAUSE, LONGEST_PAUSE, pause
from sre_daemon.notify.words import duration, plain, subject

ESCALATED = Message(
    "01incident0001",
    "escalated",
    "critical",
    "Pool on api",
    "the proof did not hold",
    cause="The pool was cut.",
    confidence=0.9,
    proposed=["set A from 1 to 2"],
    changes=["set A from 1 to 2: applied"],
    proof=[Proof("up == 1", 0.0, None)],
    policy="restore",
    seconds=75,
    url="https://sre.example/incidents/01incident0001",
)


def test_everything_a_person_needs_is_in_the_text():
    text = plain(ESCALATED)
    assert text.startswith("A person is needed: Pool on api\n")
    for part in (
        "the proof did not hold",
        "Cause: The pool was cut. (confidence 90%)",
        "- set A from 1 to 2: applied",
        "- up == 1: 0 before, no result after",
        "policy restore, after 75 s, incident 01incident0001",
        "https://sre.example/incidents/01incident0001",
    ):
        assert part in text
    # What was proposed is for whoever has to decide about it.
    assert "Proposed" not in text
    assert "Proposed:\n- set A" in plain(replace(ESCALATED, state="awaiting_approval"))


def test_subject_names_severity_and_what_is_wanted():
    assert subject(ESCALATED) == "[critical] A person is needed: Pool on api"
    reminder = replace(ESCALATED, state="awaiting_approval", reminder=2)
    assert subject(reminder) == "[critical] Reminder: approval needed: Pool on api"
    assert subject(Message("", "daemon", "critical", "no alerts", "")) == (
        "sre-daemon itself: no alerts"
    )


@given(st.text(), st.text())
def test_subject_is_one_visible_line_whatever_the_alert_says(title, text):
    made = subject(replace(ESCALATED, title=title, text=text))
    assert made.isprintable()
    assert len(made) <= 200


@given(st.text())
def test_items_stay_on_their_line(claim):
    text = plain(replace(ESCALATED, alerts=[claim], changes=[], proof=[]))
    (found,) = [line for line in text.split("\n") if line.startswith("- ")]
    assert found.isprintable()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_read_at_a_glance(seconds, words):
    assert duration(seconds) == words


@given(st.integers(1, 10_000), st.floats(0, 3600))
def test_pauses_grow_to_a_limit_and_respect_what_was_asked(attempts, asked):
    waits = pause(attempts, asked)
    assert waits >= asked
    assert 0.75 * FIRST_PAUSE <= waits <= max(asked, 1.25 * LONGEST_PAUSE)
