"""The diagrams in docs/lifecycle.md are the tables of the code."""

from pathlib import Path

from sre_daemon.domain.lifecycle import INCIDENT, REMEDIATION, RemediationState, State, diagram

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"


def test_diagrams_are_the_tables():
    page = PAGE.read_text(encoding="utf-8")
    assert f"```mermaid\n{diagram(INCIDENT, State.TRIGGERED)}\n```" in page
    assert f"```mermaid\n{diagram(REMEDIATION, RemediationState.PROPOSED)}\n```" in page


def test_each_arrow_has_a_sentence():
    page = PAGE.read_text(encoding="utf-8")
    for state, event in INCIDENT:
        assert f"| {state} | {event} | {INCIDENT[state, event]} |" in page
