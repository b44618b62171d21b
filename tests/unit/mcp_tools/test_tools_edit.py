"""Edits as effects: exactly one value changes, and nothing that is not a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_tools.effects import ConfigSet
from mcp_tools.effects.document import Format, Style, format_of, parse
from mcp_tools.effects.edit import plan
from mcp_tools.effects.keys import changes_loading
from mcp_tools.errors import Refused, ToolError
from mcp_tools.redaction import is_secret

PATH = "config/api-server.env"
ENV = "# pool\nDB_POOL_SIZE=1\nDB_POOL_TIMEOUT=15\nexport NAME='api server'\nDB_PASSWORD=demo\n"

FILES = {
    "config/a.env": ("POOL_SIZE", "# c\r\nexport POOL_SIZE=1 # was 20\r\nOTHER=15\r\n"),
    "config/a.yaml": ("pool.size", "pool:\n  size: 1  # was 20\n  other: [15, 'x']\n"),
    "config/a.json": (
        "pool.size",
        '{\n\t"pool": {"size": 1, "other": [1.50, null, true, "x"]}\n}\n',
    ),
    "config/a.toml": (
        "pool.size",
        "# c\n[pool]\nsize = 1 # was 20\nother = [15]\nt = '''\nfake = 1\n'''\n",
    ),
    "config/a.ini": ("pool.size", "[pool]\n; c\nsize = 1\nother: 15\nlong = a\n  b\n"),
}


@pytest.mark.parametrize("path", FILES)
def test_every_format_changes_only_the_value(path):
    key, text = FILES[path]
    edit = plan(path, text, "1", "20", key)
    assert edit.effects == (ConfigSet(path, key, "1", "20"),)
    place = parse(path, text).find(key)
    assert edit.after.text == text[: place.start] + "20" + text[place.end :]


@pytest.mark.parametrize("path", FILES)
def test_the_inverse_edit_restores_every_byte(path):
    key, text = FILES[path]
    there = plan(path, text, "1", "20", key)
    assert plan(path, there.after.text, "20", "1", key).after.text == text


# Names such as LD_SIZE or URL_SIZE are refused, which has tests of its own.
NAMES = st.from_regex(r"[A-Z][A-Z0-9]{0,8}_SIZE", fullmatch=True).filter(
    lambda name: not changes_loading(name) and not is_secret(name)
)
PLAIN = st.from_regex(r"[A-Za-z0-9._:/+-]{1,12}", fullmatch=True)
NOISE = st.sampled_from(["", "# comment = 1", "   ", "garbage line", "#KEY=2", "\t# x"])


@given(
    pairs=st.dictionaries(NAMES, PLAIN, min_size=1, max_size=6),
    noise=st.lists(NOISE, max_size=4),
    ending=st.sampled_from(["\n", "\r\n"]),
    new=PLAIN,
    data=st.data(),
)
def test_any_env_edit_is_exact_and_reversible(pairs, noise, ending, new, data):
    lines = [f"{name}={value}" for name, value in pairs.items()]
    for item in noise:
        lines.insert(data.draw(st.integers(0, len(lines))), item)
    text = ending.join(lines) + ending
    key = data.draw(st.sampled_from(sorted(pairs)))
    old = pairs[key]
    if old == new:
        return
    edit = plan(PATH, text, old, new, key)
    entry = parse(PATH, text).find(key)
    assert edit.after.text.encode() == (text[: entry.start] + new + text[entry.end :]).encode()
    assert edit.effects == (ConfigSet(PATH, key, old, new),)
    assert plan(PATH, edit.after.text, new, old, key).after.text == text


@given(text=st.text(max_size=300), old=st.text(max_size=10), new=st.text(max_size=10))
def test_no_text_edit_ever_touches_more_than_values(text, old, new):
    """Whatever is asked: a planned edit keeps keys and skeleton, or it is an error."""
    for path in FILES:
        try:
            edit = plan(path, text, old, new, None)
        except ToolError:
            continue
        assert edit.before.skeleton == edit.after.skeleton
        assert [e.key for e in edit.before.entries] == [e.key for e in edit.after.entries]


def test_exact_text_hits_whole_values_only():
    with pytest.raises(ToolError, match="whole value"):
        plan(PATH, "A_SIZE=15\n", "1", "20", None)
    edit = plan(PATH, "A_SIZE=15\nB_SIZE=1\n", "1", "20", None)
    assert edit.after.text == "A_SIZE=15\nB_SIZE=20\n"


def test_only_the_first_occurrence_is_replaced():
    edit = plan(PATH, "A_SIZE=1\nB_SIZE=1\n", "1", "2", None)
    assert edit.after.text == "A_SIZE=2\nB_SIZE=1\n"


def test_whole_lines_can_be_replaced():
    edit = plan(
        PATH, ENV, "DB_POOL_SIZE=1\nDB_POOL_TIMEOUT=15", "DB_POOL_SIZE=20\nDB_POOL_TIMEOUT=2", None
    )
    assert [(e.key, e.after) for e in edit.effects] == [
        ("DB_POOL_SIZE", "20"),
        ("DB_POOL_TIMEOUT", "2"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DB_POOL_SIZE=1", "DB_POOL_SIZE=20\nDB_POOL_SIZE=1"),  # a second line overrides
        ("DB_POOL_SIZE=1", "# DB_POOL_SIZE=20\nDB_POOL_SIZE=1"),
        ("DB_POOL_SIZE=1", "EVIL=1"),
        ("DB_POOL_SIZE=1", ""),
        ("DB_POOL_SIZE=1", "DB_POOL_SIZE=20 # comment"),
        ("DB_POOL_SIZE=1", 'DB_POOL_SIZE="20"'),
        ("# pool", "# pools"),
        ("DB_PASSWORD=demo", "DB_PASSWORD=other"),
        ("DB_POOL_SIZE=1", "DB_POOL_SIZE=20\r"),
        ("DB_POOL_SIZE=1", "DB_POOL_SIZE=2\u2028EVIL=1"),
        ("1", "$(id)"),
        ("1", "`id`"),
        ("1", "2\x00"),
        ("1", "2\u202e"),
    ],
)
def test_hostile_rephrasings_are_refused(old, new):
    with pytest.raises(Refused) as caught:
        plan(PATH, ENV, old, new, None)
    assert caught.value.code == "edit_not_allowed"


@pytest.mark.parametrize("old", ["", "SIZE=1", "1\nDB", "DB_POOL", "nothing"])
def test_partial_and_empty_old_text_is_not_found(old):
    with pytest.raises(ToolError) as caught:
        plan(PATH, ENV, old, "x", None)
    assert not isinstance(caught.value, Refused)


def test_wrong_old_value_names_the_present_one():
    with pytest.raises(ToolError, match="DB_POOL_SIZE is '1', not '2'"):
        plan(PATH, ENV, "2", "20", "DB_POOL_SIZE")


def test_wrong_old_secret_is_not_disclosed():
    with pytest.raises(ToolError) as caught:
        plan(PATH, ENV, "x", "y", "DB_PASSWORD")
    assert "demo" not in str(caught.value)


def test_unknown_key_lists_the_keys():
    with pytest.raises(ToolError, match="DB_POOL_TIMEOUT"):
        plan(PATH, ENV, "1", "2", "POOL")


@pytest.mark.parametrize(
    "key",
    [
        *(
            "LD_PRELOAD",
            "PATH",
            "PYTHONPATH",
            "HTTP_PROXY",
            "https_proxy",
            "DOCKER_HOST",
            "DB_HOST",
        ),
        *("COMPOSE_FILE", "API_URL", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "API_KEY", "MY_SECRET"),
        "AUTH_TOKEN",
    ],
)
def test_keys_that_load_code_or_hide_secrets_are_never_written(key):
    with pytest.raises(Refused):
        plan(PATH, f"{key}=1\n", "1", "2", key)


def test_password_within_a_url_is_never_written():
    with pytest.raises(Refused, match="secret"):
        plan(PATH, "DB=postgres://u:p@h/db\n", "postgres://u:p@h/db", "x", "DB")


@pytest.mark.parametrize("name", ["a.env.backup", "a.env.bak", "a.env~", "a.env.orig"])
def test_kept_copies_are_never_written(name):
    with pytest.raises(Refused, match="kept copy"):
        plan(f"config/{name}", "A_SIZE=1\n", "1", "2", "A_SIZE")


def test_duplicate_keys_are_refused():
    with pytest.raises(Refused, match="more than once"):
        plan(PATH, "A_SIZE=1\nA_SIZE=1\n", "1", "2", "A_SIZE")
    with pytest.raises(Refused, match="more than once"):
        plan("config/a.yaml", "a: 1\na: 1\n", "1", "2", "a")


def test_files_without_keys_are_refused():
    with pytest.raises(Refused, match="no keys"):
        plan("config/init.sql", "SELECT 1;", "1", "2", None)


def test_same_value_is_nothing_to_do():
    with pytest.raises(ToolError, match="same"):
        plan(PATH, ENV, "1", "1", "DB_POOL_SIZE")


@pytest.mark.parametrize(
    ("path", "text", "old", "new"),
    [
        (
            "config/compose.yml",
            "services:\n  api:\n    image: x\n",
            "    image: x",
            "    image: x\n    privileged: true",
        ),
        ("config/a.yaml", "a: 1\n", "1", "[1, 2]"),
        ("config/a.yaml", "a: 1\n", "1", "{b: 2}"),
        ("config/a.yaml", "a: 1\n", "1", "&x 2"),
        ("config/a.yaml", "a: &x 1\nb: *x\n", "b: *x", "b: 3"),
        ("config/a.yaml", "a: |\n  one\n", "  one", "  two"),
        ("config/a.json", '{"a": 1}', "1", '1, "b": 2'),
        ("config/a.json", '{"a": "x"}', "x", 'y", "b": "z'),
        ("config/a.toml", "a = 1\n", "1", "[1]"),
        ("config/a.ini", "[s]\na = 1\n", "1", "2\n[t]"),
    ],
)
def test_structure_cannot_be_smuggled_into_a_value(path, text, old, new):
    with pytest.raises(ToolError):
        plan(path, text, old, new, None)


def test_yaml_type_change_shows_up_as_the_value_it_becomes():
    edit = plan("config/a.yaml", "pool:\n  size: 1\n", "1", "20", "pool.size")
    assert edit.after.values() == {"pool.size": "20"}


def test_alias_bomb_is_read_in_bounded_work():
    text = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    )
    assert len(parse("config/a.yaml", text).entries) < 10


def test_deep_nesting_is_an_error_not_a_crash():
    with pytest.raises(ToolError):
        parse("config/a.yaml", "[" * 5000)
    with pytest.raises(ToolError):
        parse("config/a.json", "[" * 100_000)


def test_toml_text_inside_a_long_string_is_no_key():
    document = parse("config/a.toml", FILES["config/a.toml"][1])
    assert set(document.values()) == {"pool.size", "pool.other.0", "pool.t"}
    assert document.find("pool.t").style is Style.FIXED


def test_toml_key_that_also_stands_in_a_string_is_not_written():
    with pytest.raises(Refused, match="simple text"):
        plan("config/a.toml", "size = 1\nt = '''\nsize = 1\n'''\n", "1", "2", "size")


def test_formats_follow_the_name():
    assert format_of("config/api-server.env.backup") is Format.ENV
    assert format_of("config/.env") is Format.ENV
    assert format_of("config/init.sql") is Format.TEXT
    assert format_of("config/noname") is Format.TEXT
