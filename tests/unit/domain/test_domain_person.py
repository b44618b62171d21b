"""Roles include what the lesser ones may; names and groups say whom a policy means."""

import pytest

from sre_daemon.domain.person import ROLES, Person, Role


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("least", Role)
def test_a_role_may_what_the_lesser_ones_may(role, least):
    assert Person("ada", role).may(least) is (ROLES.index(role) >= ROLES.index(least))


def test_every_role_has_its_place():
    assert set(ROLES) == set(Role)


def test_without_names_everybody_is_meant():
    assert Person("ada", Role.VIEWER).is_one_of(())


def test_a_name_or_a_group_is_meant_and_nobody_else():
    ada = Person("ada", Role.APPROVER, ("sre-oncall",))
    assert ada.is_one_of(["ada"])
    assert ada.is_one_of(["dba", "sre-oncall"])
    assert not ada.is_one_of(["dba"])
    assert not ada.is_one_of(["approver"])
