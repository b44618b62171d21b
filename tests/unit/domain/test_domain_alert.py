"""The identity of an alert and its severity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.domain.alert import Severity, identity

LABELS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4)


@given(st.text(max_size=5), LABELS, st.text(max_size=5), LABELS)
def test_identity_is_the_tenant_and_the_full_label_set(tenant, labels, other_tenant, other):
    same = tenant == other_tenant and labels == other
    assert (identity(tenant, labels) == identity(other_tenant, other)) is same


@given(LABELS)
def test_identity_does_not_depend_on_the_order_of_labels(labels):
    assert identity("t", labels) == identity("t", dict(reversed(labels.items())))


@pytest.mark.parametrize(
    ("label", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("PAGE", Severity.CRITICAL),
        ("warning", Severity.WARNING),
        ("info", Severity.INFO),
        ("none", Severity.NONE),
        ("spicy", Severity.NONE),
        ("", Severity.NONE),
    ],
)
def test_severity_comes_from_the_label(label, severity):
    assert Severity.of({"severity": label}) is severity


def test_critical_ranks_first():
    assert min(Severity, key=lambda s: s.rank) is Severity.CRITICAL
