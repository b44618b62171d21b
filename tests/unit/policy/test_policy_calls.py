"""Calls of attached servers: exactly the named arguments, each within its bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.domain.effect import McpCall, ServiceRestart
from sre_daemon.policy.allow import AllowCall

ALLOW = AllowCall.model_validate(
    {
        "effect": "mcp.call",
        "server": "kube",
        "tool": "scale",
        "arguments": {
            "replicas": {"type": "integer", "min": 1, "max": 5},
            "name": {"type": "string", "enum": ["api"]},
            "wait": {"type": "boolean"},
            "factor": {"type": "number", "min": 0, "max": 1},
        },
    }
)
GOOD = {"replicas": 3, "name": "api", "wait": True, "factor": 0.5}


def text(arguments):
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def call(arguments, server="kube", tool="scale"):
    return McpCall(server, tool, arguments if isinstance(arguments, str) else text(arguments))


def test_a_call_within_all_bounds_is_allowed():
    assert ALLOW.allows(call(GOOD))
    assert ALLOW.allows(call(GOOD | {"replicas": 1, "factor": 1, "wait": False}))


@pytest.mark.parametrize(
    "effect",
    [
        call(GOOD | {"replicas": 6}),
        call(GOOD | {"replicas": 0}),
        call(GOOD | {"replicas": True}),
        call(GOOD | {"replicas": "3"}),
        call(GOOD | {"replicas": 3.0}),
        call(GOOD | {"replicas": None}),
        call(GOOD | {"replicas": [3]}),
        call(GOOD | {"name": "db"}),
        call(GOOD | {"wait": 1}),
        call(GOOD | {"wait": "true"}),
        call(GOOD | {"factor": 1.1}),
        call(GOOD | {"factor": 1e300}),
        call(GOOD | {"namespace": "kube-system"}),
        call({key: value for key, value in GOOD.items() if key != "wait"}),
        call({}),
        call("[]"),
        call("not json"),
        call("[" * 100_000),
        call(json.dumps(GOOD)),  # another spelling of the same
        call(text(GOOD)[:-1] + ',"replicas":3}'),  # a key twice
        call(GOOD, server="other"),
        call(GOOD, tool="delete"),
        ServiceRestart("api"),
    ],
)
def test_everything_else_is_not(effect):
    assert not ALLOW.allows(effect)


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    )
)
def test_no_call_with_an_argument_out_of_bounds_is_allowed(arguments):
    allowed = ALLOW.allows(call(arguments))
    assert allowed == (
        arguments.keys() == GOOD.keys()
        and type(arguments["replicas"]) is int
        and 1 <= arguments["replicas"] <= 5
        and arguments["name"] == "api"
        and type(arguments["wait"]) is bool
        and type(arguments["factor"]) in {int, float}
        and ALLOW.arguments["factor"].allows(json.dumps(arguments["factor"]))
    )


def test_a_tool_without_arguments_takes_none():
    allow = AllowCall(effect="mcp.call", server="kube", tool="sync")
    assert allow.allows(call({}, tool="sync"))
    assert not allow.allows(call({"x": 1}, tool="sync"))
