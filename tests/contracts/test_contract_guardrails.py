"""Both readings of the guardrails, the tool server's and the daemon's, say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcp_tools.effects import ConfigSet as ToolSet
from mcp_tools.errors import Refused
from mcp_tools.guard import Guardrails as Tools
from mcp_tools.guard.guardrails import check_changes
from sre_daemon.domain.effect import ConfigSet, ServiceRestart
from sre_daemon.executor.guardrails import GuardrailFile
from sre_daemon.executor.guardrails import Guardrails as Daemon

FILE = {
    "files": {
        "config/a.env": {
            "SIZE": {"type": "integer", "min": 5, "max": 100},
            "RATIO": {"type": "number", "min": -0.5, "max": 1.5},
            "LEVEL": {"type": "enum", "values": ["info", "warn", "5"]},
        }
    }
}
VALUES = st.one_of(
    st.integers(-10, 110).map(str),
    st.decimals(-2, 3, places=3).map(str),
    st.sampled_from(
        ["info", "warn", "5", "", "1_0", "020", "+20", "2e1", "NaN", "٢٠", " 20", "20\n"]
    ),
    st.text(max_size=6),
)


def tool_server_refuses(change):
    try:
        check_changes(Tools.model_validate(FILE), [ToolSet(*change)])
    except Refused:
        return True
    return False


@given(
    st.sampled_from(["config/a.env", "config/b.env"]),
    st.sampled_from(["SIZE", "RATIO", "LEVEL", "OTHER"]),
    VALUES,
)
def test_both_refuse_the_same_changes(path, key, after):
    change = (path, key, "1", after)
    complaint = Daemon.model_validate(FILE).complaint([ConfigSet(*change)])
    assert bool(complaint) is tool_server_refuses(change)


@pytest.mark.parametrize(
    ("value", "fine"), [("5", True), ("100", True), ("4", False), ("101", False), ("1", False)]
)
def test_the_promised_bounds_are_inclusive(value, fine):
    change = ("config/a.env", "SIZE", "20", value)
    assert tool_server_refuses(change) is not fine
    assert (Daemon.model_validate(FILE).complaint([ConfigSet(*change)]) == "") is fine


@pytest.mark.parametrize(
    "document",
    [
        {"files": {"a": {"K": {"type": "integer", "min": 1}}}},
        {"files": {"a": {"K": {"type": "number", "min": 1, "max": float("inf")}}}},
        {"files": {"a": {"K": {"type": "enum"}}}},
        {"files": {"a": {"K": {"type": "text"}}}},
        {"files": {"a": {"K": {"type": "enum", "values": ["x"], "y": 1}}}},
        {"version": 2},
        {"x": 1},
    ],
)
def test_both_refuse_the_same_files(document):
    for model in (Tools, Daemon):
        with pytest.raises(ValidationError):
            model.model_validate(document)


def test_other_effects_are_none_of_their_business():
    assert Daemon.model_validate(FILE).complaint([ServiceRestart("api")]) == ""
    assert GuardrailFile(None).complaint([ConfigSet("config/x", "K", "1", "2")]) == ""
