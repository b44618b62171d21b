"""Files of the operator: strict, and every mistake is named with its line."""

import pytest
from pydantic import BaseModel, ConfigDict, Field

from sre_daemon import documents
from sre_daemon.errors import ConfigError, PolicyFileError


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    size: int = Field(ge=1)


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: int
    parts: tuple[Part, ...] = ()


GOOD = "version: 1\nparts:\n  - name: a\n    size: 2\n"


def mistakes(text, **more):
    with pytest.raises(ConfigError) as refused:
        documents.parse(text, Document, "file.yaml", **more)
    return refused.value.reason


def test_a_good_file_is_read(tmp_path):
    (tmp_path / "file.yaml").write_text(GOOD)
    assert documents.load(tmp_path / "file.yaml", Document).parts[0].size == 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("version: x\n", "file.yaml:1: version: "),
        (GOOD.replace("size: 2", "size: 0"), "file.yaml:4: parts.0.size: "),
        (GOOD.replace("    size: 2\n", ""), "file.yaml:3: parts.0.size: "),
        (GOOD + "colour: red\n", "file.yaml:5: colour: "),
        ("", "file.yaml:1: version: "),
        ("version: 1\nversion: 2\n", "file.yaml:2: "),
        ("version: [\n", "file.yaml:2: not valid YAML"),
        ("- a\n", "file.yaml:1: the document must be a mapping"),
        ("text\n", "file.yaml:1: the document must be a mapping"),
        ("version: 1\nparts: &a [{name: a, size: 1}]\nmore: *a\n", "file.yaml:2: YAML aliases"),
        ("version: !!python/object:os.system x\n", "file.yaml:1: "),
    ],
)
def test_a_mistake_is_named_with_its_line(text, place):
    assert place in mistakes(text)


def test_every_mistake_is_named_at_once():
    reason = mistakes("version: x\nparts:\n  - {name: a, size: 0}\n  - {size: 1}\n")
    assert all(place in reason for place in (":1: version", ":3: parts.0.size", ":4: parts.1.name"))


def test_lines_are_counted_from_where_the_text_begins():
    assert "file.yaml:11: version: " in mistakes("version: x\n", first_line=11)


def test_the_kind_of_error_is_the_callers():
    with pytest.raises(PolicyFileError):
        documents.parse("[]", Document, "file.yaml", PolicyFileError)


def test_nested_collections_without_end_are_refused():
    assert "file.yaml" in mistakes("version: " + "[" * 20_000)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a" * ((1 << 20) + 1), None])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, content):
    file = tmp_path / "file.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"file\.yaml"):
        documents.load(file, Document)
