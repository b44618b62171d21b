"""Health bands: the promised thresholds, and never healthy without data."""

import math

import pytest

from mcp_tools.tools.health import BUILT_IN, Check, Level, Verdict, _Measured, judge

CHECKS = {check.name: check for check in BUILT_IN.services[0].checks}


@pytest.mark.parametrize(
    ("check", "value", "level"),
    [
        ("error_rate", 0, "ok"),
        ("error_rate", 1, "ok"),
        ("error_rate", 1.1, "warning"),
        ("error_rate", 5, "warning"),
        ("error_rate", 5.1, "critical"),
        ("latency_p99", 500, "ok"),
        ("latency_p99", 501, "warning"),
        ("latency_p99", 1001, "critical"),
        ("latency_p99", math.nan, "unknown"),
        ("latency_p99", math.inf, "unknown"),
        ("db_pool_usage", 70, "ok"),
        ("db_pool_usage", 71, "warning"),
        ("db_pool_usage", 100, "critical"),
        ("up", 1, "ok"),
        ("up", 0, "critical"),
        ("up", None, "unknown"),
    ],
)
def test_bands_are_the_promised_ones(check, value, level):
    assert CHECKS[check].judge(value) is Level(level)


def test_all_known_and_well_is_healthy():
    output = judge([_Measured(CHECKS["up"], {"a": 1.0, "b": 1.0})])
    assert output.verdict is Verdict.HEALTHY
    assert output.issues == []


@pytest.mark.parametrize("values", [{}, {"a": None}, {"a": math.nan}])
def test_missing_data_is_never_healthy(values):
    well = _Measured(CHECKS["error_rate"], {"a": 0.0})
    output = judge([well, _Measured(CHECKS["up"], values, "" if values else "no data")])
    assert output.verdict is Verdict.UNKNOWN
    assert output.issues


def test_nothing_measured_is_unknown():
    assert judge([]).verdict is Verdict.UNKNOWN


def test_worst_verdict_wins_and_names_the_service():
    output = judge(
        [
            _Measured(CHECKS["error_rate"], {"api": 6.0, "pay": 0.0}),
            _Measured(CHECKS["latency_p99"], {"api": 100.0, "pay": 700.0}),
        ]
    )
    assert output.verdict is Verdict.CRITICAL
    assert {s.service: s.verdict.value for s in output.services} == {
        "api": "critical",
        "pay": "degraded",
    }
    assert output.issues[0] == "api: error_rate is 6 errors/s, above 5 (critical)"


def test_below_checks_compare_the_other_way():
    check = Check(name="replicas", promql="x", warning=3, critical=2, below=True)
    assert [check.judge(v).value for v in (3, 2.5, 2, 1)] == [
        "ok",
        "warning",
        "warning",
        "critical",
    ]


def test_a_configured_service_without_series_is_unknown_and_named():
    well = _Measured(CHECKS["up"], {"api": 1.0})
    output = judge([well], ("api", "pay"))
    assert output.verdict is Verdict.UNKNOWN
    assert {item.service: item.verdict for item in output.services} == {
        "api": Verdict.HEALTHY,
        "pay": Verdict.UNKNOWN,
    }
    assert output.issues == ["pay: no series has its name"]
