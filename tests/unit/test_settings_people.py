"""People are read with their tokens, or it is said why not."""

import pytest

from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.redaction import hide
from sre_daemon.errors import ConfigError
from sre_daemon.settings import load, load_people, load_secrets

LEAST = "data_dir: data\nprometheus: {url: 'http://h'}\n"
ADA = "{name: ada, role: admin, token_file: ada.token, groups: [sre-oncall]}"
PAUL = "{name: paul, role: approver, token_file: paul.token}"
GOOD = {"ada.token": "a" * 16 + "\n", "paul.token": "p" * 32}


def people(folder, entries, tokens=GOOD, environ=None):
    for name, text in tokens.items():
        (folder / name).write_text(text, encoding="utf-8")
    file = folder / "sre-daemon.yaml"
    file.write_text(f"{LEAST}people: [{', '.join(entries)}]\n")
    return load_people(load(file), load_secrets(folder, environ or {}))


def test_everybody_is_known_by_a_token(tmp_path):
    assert people(tmp_path, [ADA, PAUL]) == {
        "a" * 16: Person("ada", Role.ADMIN, ("sre-oncall",)),
        "p" * 32: Person("paul", Role.APPROVER),
    }


def test_the_api_token_is_an_administrator_s(tmp_path):
    found = people(tmp_path, [PAUL], environ={"SRE_DAEMON_API_TOKEN": "shared"})
    assert found["shared"] == Person("api admin", Role.ADMIN)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("tokens", "environ"),
    [
        (GOOD | {"ada.token": "short"}, {}),
        (GOOD | {"ada.token": "ä" * 20}, {}),
        (GOOD | {"ada.token": GOOD["paul.token"]}, {}),
        (GOOD, {"SRE_DAEMON_API_TOKEN": "a" * 16}),
        (GOOD, {"SRE_DAEMON_WEBHOOK_TOKEN": "a" * 16}),
        ({"paul.token": "p" * 32}, {}),
    ],
)
def test_a_token_that_cannot_be_somebody_s_own_is_refused(tmp_path, tokens, environ):
    with pytest.raises(ConfigError, match="token"):
        people(tmp_path, [ADA, PAUL], tokens, environ)


@pytest.mark.parametrize(
    "entry",
    [
        "{name: ada, role: root, token_file: t}",
        "{name: 'a b', role: admin, token_file: t}",
        "{name: ada, role: admin}",
        f"{PAUL.replace('paul.token', 'other')}",
    ],
)
def test_what_cannot_be_a_person_is_refused_with_its_line(tmp_path, entry):
    with pytest.raises(ConfigError, match=r"sre-daemon\.yaml:\d+: "):
        people(tmp_path, [PAUL, entry])


def test_name_of_the_tokens_holder_is_not_taken_for_a_secret(tmp_path):
    person = people(tmp_path, [], environ={"SRE_DAEMON_API_TOKEN": "shared"})["shared"]
    assert hide(f"{person.name}: release") == f"{person.name}: release"
