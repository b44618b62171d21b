"""Whose token it is: the cluster of the environment, and further ones with files of their own."""

import pytest

from sre_daemon.domain.sender import Sender, token_id
from sre_daemon.errors import ConfigError
from sre_daemon.settings import Secrets, check_front_door, load, load_people, load_senders

OWN, NEXT, OTHER = "token-of-the-first-one", "its-successor-of-tomorrow", "token-of-team-b-0123"
BASE = "data_dir: data\nprometheus: {url: 'http://127.0.0.1:9090'}\n"


def settings(folder, more="", **files):
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "settings.yaml").write_text(BASE + more)
    return load(folder / "settings.yaml")


TENANT = "tenants: [{name: team-b, token_file: b, alertmanagers: ['http://b:9093']}]\n"


def test_one_token_is_the_first_clusters(tmp_path):
    found = load_senders(settings(tmp_path), Secrets(webhook_token=OWN))
    assert found == {OWN: Sender("default", token_id(OWN))}


def test_during_a_rotation_there_are_two(tmp_path):
    found = load_senders(settings(tmp_path), Secrets(webhook_token=f"{OWN}\n{NEXT}\n"))
    assert {sender.tenant for sender in found.values()} == {"default"}
    assert found.keys() == {OWN, NEXT}


def test_another_cluster_has_its_own_token_and_alertmanagers(tmp_path):
    known = settings(tmp_path, TENANT, b=f"{OTHER}\n")
    found = load_senders(known, Secrets(webhook_token=OWN))
    assert found[OTHER] == Sender("team-b", token_id(OTHER))
    assert known.clusters == {"default": [], "team-b": ["http://b:9093/"]}


def test_a_token_name_does_not_show_the_token():
    assert token_id(OWN) != token_id(NEXT)
    assert len(token_id(OWN)) == 12
    assert token_id(OWN) not in OWN


@pytest.mark.parametrize("text", ["", "short", OWN, f"{OTHER} short", "\u00e9" * 20])
def test_a_token_that_cannot_be_used_is_refused_without_showing_it(tmp_path, text):
    known = settings(tmp_path, TENANT, b=text)
    with pytest.raises(ConfigError) as refused:
        load_senders(known, Secrets(webhook_token=OWN))
    assert str(tmp_path / "b") in str(refused.value)
    assert OWN not in str(refused.value)


@pytest.mark.parametrize("names", [["a", "a"], ["default"]])
def test_two_clusters_of_one_name_are_refused(tmp_path, names):
    entries = ", ".join(f"{{name: {name}, token_file: f}}" for name in names)
    with pytest.raises(ConfigError, match="same name"):
        settings(tmp_path, f"tenants: [{entries}]\n")


def test_a_person_may_not_have_the_token_of_a_cluster(tmp_path):
    people = "people: [{name: ada, role: admin, token_file: p}]\n"
    known = settings(tmp_path, TENANT + people, b=OTHER, p=OTHER)
    with pytest.raises(ConfigError, match="in use for something else"):
        load_people(known, Secrets(webhook_token=OWN))


def test_a_cluster_with_a_token_is_a_locked_door(tmp_path):
    known = settings(tmp_path, TENANT, b=OTHER)
    check_front_door(known, Secrets())
    with pytest.raises(ConfigError, match="no token"):
        check_front_door(settings(tmp_path), Secrets())
