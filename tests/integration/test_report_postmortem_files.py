"""The post-mortem as files: whole, with its pictures, and never over what a person wrote."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sre_daemon.report.postmortem import Postmortem
from sre_daemon.store.samples import Samples
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.story import ERRORS, Story, flat, repaired


@pytest.fixture
async def told(tmp_path):
    database = SqliteDatabase(tmp_path / "told.sqlite3")
    store = SqlStore(database)
    await store.open()
    story = Story(store, database)
    yield story, Postmortem(store, Samples(database), tmp_path / "postmortems")
    await store.close()


async def test_post_mortem_has_impact_proof_and_pictures_of_the_guards(told):
    story, postmortem = told
    path = Path(await postmortem.write(await repaired(story)))
    text = path.read_text(encoding="utf-8")
    assert f"`{ERRORS}`: between 0" in text
    assert "before the repair" in text
    files = sorted(path.parent.glob("*.svg"))
    assert len(files) == 2
    for file in files:
        assert f"]({file.name})" in text
        picture = ET.fromstring(file.read_text(encoding="utf-8"))
        assert picture.tag == "{http://www.w3.org/2000/svg}svg"
        words = [item.text for item in picture.iter("{http://www.w3.org/2000/svg}text")]
        assert {"DB_POOL_SIZE"} & set(words)


async def test_what_a_person_edited_is_never_overwritten(told):
    story, postmortem = told
    one = await repaired(story)
    path = Path(await postmortem.write(one))
    path.write_text("mine", encoding="utf-8")
    assert await postmortem.write(one) == str(path)
    assert path.read_text(encoding="utf-8") == "mine"


async def test_two_incidents_have_two_files_and_none_has_no_pictures(told):
    story, postmortem = told
    one = Path(await postmortem.write(await repaired(story)))
    two = Path(await postmortem.write(await flat(story)))
    assert one != two
    assert "![" not in two.read_text(encoding="utf-8")
