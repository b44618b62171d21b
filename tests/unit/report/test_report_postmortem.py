"""The post-mortem: facts only, foreign text without power."""

from dataclasses import replace
from datetime import UTC, datetime

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.report.postmortem import Facts, line, render
from tests.support.factories import alert

AT = datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)


def incident(**data):
    return Incident(
        id="i1",
        key="k",
        title="Pool <exhausted>",
        state=State.RESOLVED,
        severity=Severity.CRITICAL,
        labels={},
        created_at=AT,
        updated_at=AT,
        data=data,
    )


def test_foreign_text_has_no_markup_and_stays_on_its_line():
    assert line("# a\n[x](http://evil)") == r"\# a \[x\](http://evil)"
    assert line("a\u202eb\x00") == r"a\\u202eb\\u0000"
    assert len(line("x" * 5000)) == 500


def test_an_unproven_end_never_reads_as_repaired():
    text = render(Facts(incident(), [], [], [], []))
    assert "no repair was proven" in text
    assert "repaired by the daemon" not in text
    assert "The cause was not found." in text
    assert "Nothing was changed." in text


def test_a_proven_repair_shows_numbers_and_cause():
    facts = incident(
        resolution="proven",
        before={"q": 9.0},
        after={"q": 0.5},
        diagnosis={
            "conclusive": True,
            "root_cause": "pool is 1",
            "confidence": 0.9,
            "evidence": [{"claim": "c", "quote": "POOL=1", "call": "c2", "supported": True}],
            "contributing_factors": [],
            "ruled_out": ["disk"],
        },
    )
    event = TimelineEvent("i1", AT, Kind.STATE, "verifying -> resolved")
    text = render(Facts(facts, [], [event], [], []))
    assert "repaired by the daemon and proven" in text
    assert "| `q` | 9.0 | 0.5 |" in text
    assert "found in its output" in text
    assert "verifying -\\> resolved" in text


def test_alert_without_a_summary_is_written_down_too():
    bare = StoredAlert(alert(), "i1", AT, AT, 1, open=False)
    bare = replace(bare, alert=replace(bare.alert, annotations={}))
    text = render(Facts(incident(), [bare], [], [], []))
    assert "- ApiDbPoolExhausted (critical), first seen 02:03:04, resolved\n" in text


def test_every_report_has_summary_cause_timeline_and_action_items():
    event = TimelineEvent("i1", AT, Kind.STATE, "it began")
    for data in ({}, {"resolution": "proven"}):
        text = render(Facts(incident(**data), [], [event], [], []))
        sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
        assert {"Summary", "Root cause", "Timeline", "Action items"} <= set(sections)
        assert "The cause was not found." in sections["Summary"]
        assert "no investigation reached a conclusion" in sections["Root cause"]
        assert "- 02:03:04 it began" in sections["Timeline"]
        assert "- [ ] Find out how the cause got in" in sections["Action items"]


def test_secret_is_in_no_post_mortem():
    event = TimelineEvent("i1", AT, Kind.STATE, "login with password=hunter2hunter2 failed")
    assert "hunter2hunter2" not in render(Facts(incident(), [], [event], [], []))
