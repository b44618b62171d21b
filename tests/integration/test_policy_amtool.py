"""Matchers and time intervals mean what they mean to Alertmanager, as its own `amtool` says."""

import json
import shutil
import subprocess
from random import Random

import pytest
from pydantic import ValidationError

from sre_daemon.policy.intervals import MONTHS, WEEKDAYS, Interval
from sre_daemon.policy.matchers import parse

AMTOOL = shutil.which("amtool")
pytestmark = pytest.mark.skipif(AMTOOL is None, reason="amtool (of Alertmanager) is not installed")

SAMPLES = [
    {},
    {"a": "x"},
    {"a": "X"},
    {"a": "xx"},
    {"a": "xy"},
    {"a": "y"},
    {"a": "x y"},
    {"a": "x,y"},
    {"a": "{x}"},
    {"a": "x=y"},
    {"a": "x{,3}"},
    {"a": "x.y"},
    {"a": "x\ny"},
    {"a": "x\n"},
    {"a": "x\\y"},
    {"a": 'x"y'},
    {"a": "7"},
    {"a": "٣"},
    {"a": "é"},
    {"a": "-"},
    {"a": "x", "b": "y"},
    {"a": "y", "b": "x"},
    {"b": "y"},
]

ALIKE = [
    'a="x"',
    "a=x",
    ' a = "x" ',
    '{a="x"}',
    '{a="x",}',
    'a="x",b="y"',
    '{ a="x" , b!="y" }',
    "{a=x,b=y}",
    '{a="x", }',
    'a="x" , ',
    'a=""',
    'a!=""',
    "a!=x",
    'a!="x"',
    'a="x y"',
    'a="x,y"',
    'a="{x}"',
    'a="x=y"',
    r'a="x\ny"',
    r'a="x\\y"',
    r'a="x\"y"',
    'a="é"',
    "a=é",
    'a=~""',
    'a!~""',
    'a=~"x"',
    'a=~"x|y"',
    'a!~"x|y"',
    'a=~"x.y"',
    'a!~"x.y"',
    'a=~"(?s)x.y"',
    'a=~".*"',
    'a=~".+"',
    'a!~".+"',
    'a=~"x|"',
    'a=~"^x$"',
    'a=~"x+"',
    'a=~"x{2}"',
    'a=~"x{1,}"',
    'a=~"x{1,2}y?"',
    'a=~"[a-x]+"',
    'a=~"[^x]"',
    'a=~"[]x-]"',
    'a=~"(?i)X"',
    'a=~"(?i:X)y"',
    'a=~"(?P<n>x)y"',
    r'a=~"\\d"',
    r'a=~"\\w"',
    r'a!~"\\w"',
    r'a=~"\\W"',
    r'a=~"x\\.y"',
    r'a=~"x\\sy"',
    r'a=~"x\\\\y"',
    r'a=~"\\bx\\b.*"',
    "a=~x.*",
    "a=~(x|y)",
    'a=~".*x.*y.*"',
    'a=~"(x*)*"',
    'a=~"(xy|yx)+"',
    'a=~".*.*.*.*x"',
    'a=~"[[:alpha:]]"',
    'a=~"x{,3}"',
    'a=~"[x&&y]"',
    'a=~"(?i)É"',
    r'a=~"x\\z"',
    r'a=~"\\pL"',
    r'a=~"\\PL+"',
    r'a=~"\\Qx.y\\E"',
    'a=~"(?U)x+"',
    'a=~"(?m)^x$.*"',
    'a=~"(?i)[x-y]"',
    'a=~"[^[:digit:]]"',
    r'a=~"\\x{78}"',
    r'a=~"[\\d\\s]"',
    'a=~"x??"',
    'a!~"(?s:.)*y"',
    'a=~"x",a!~"y",b!="z"',
]

REFUSED_BY_BOTH = [
    "a",
    "=x",
    "a~x",
    'a="x',
    'a=x"',
    'a="x"y"',
    "a=x,,b=y",
    "a=x,,",
    'a=~"("',
    'a=~"["',
    'a=~"*"',
    'a=~"x**"',
    'a=~"x{2}{3}"',
    'a=~"x{1001}"',
    'a=~"[z-a]"',
    'a=~"x++"',
    'a=~"(?x)x"',
    'a=~"(?u)x"',
    'a=~"(?#c)x"',
    'a=~"(?=x)x"',
    'a=~"(?>x)"',
    r'a=~"(x)\\1"',
    r'a=~"x\\Z"',
    r'a=~"\\u0041"',
]

STRICTER = {
    "{}": "a policy for every alert is never meant",
    "a=": "the newer parser of Alertmanager wants a value",
    "a=x y": "what is meant is unclear without quotes, and refused by Alertmanager from 0.27 on",
    "a==x": "the same",
    "a=x=y": "the same",
    "a={x}": "the same",
    "a='x'": "the same: the quotes would be part of the value",
    '{a="x"': "a brace that is not closed",
    'a="x"}': "a brace that was not opened",
    'a="x\ny"': "a line break within quotes, which the newer parser refuses",
    r'a="x\y"': "an escape that the two parsers of Alertmanager read differently",
    r'a="x\ty"': "the same",
    r'a=~"\d"': "the same",
    "a=~x\\.y": "the same",
    "a=x\u00a0": "a blank that only the newer parser skips",
    "a=x\x0b": "the same",
    'a=~"x)|(y"': "an expression only within the brackets that Alertmanager puts around it",
    f'a=~"{"x" * 1025}"': "too long to be reviewed",
}

# Quoted names and Unicode names came with Alertmanager 0.27; this tool may be older.
NEWER = ['"a b"="x"', "é=x", "a-b=x", "1a=x", '{"a.b"="x"}', '"a"="x"', r'"a\tb"="x"']


def amtool(folder, texts, labels):
    """The texts that match; None when one of them is refused."""
    routes = [
        {"receiver": str(number), "matchers": [text], "continue": True}
        for number, text in enumerate(texts)
    ]
    receivers = [{"name": name} for name in ("none", *(route["receiver"] for route in routes))]
    config = folder / "alertmanager.json"
    config.write_text(
        json.dumps({"route": {"receiver": "none", "routes": routes}, "receivers": receivers})
    )
    pairs = [f"{name}={_quoted(value)}" for name, value in {"other": "1", **labels}.items()]
    command = [AMTOOL, "config", "routes", "test", f"--config.file={config}", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        assert "error" in done.stderr, done.stderr
        return None
    return [texts[int(name)] for name in done.stdout.strip().split(",") if name != "none"]


def _quoted(value):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def ours(text, labels):
    return all(matcher.matches(labels) for matcher in parse(text))


def test_the_tool_tells_match_from_no_match(tmp_path):
    assert amtool(tmp_path, ["a=x", "a=y", "a!=z"], {"a": "x"}) == ["a=x", "a!=z"]
    assert amtool(tmp_path, ["a=x"], {"a": "y"}) == []
    assert amtool(tmp_path, ["a=x", "a=~("], {"a": "y"}) is None


@pytest.mark.parametrize("labels", SAMPLES, ids=str)
def test_a_matcher_matches_what_alertmanager_matches(tmp_path, labels):
    assert [text for text in ALIKE if ours(text, labels)] == amtool(tmp_path, ALIKE, labels)


def test_the_samples_tell_every_matcher_from_a_constant():
    assert [t for t in ALIKE if len({ours(t, labels) for labels in SAMPLES}) == 1] == []


@pytest.mark.parametrize("text", REFUSED_BY_BOTH)
def test_what_alertmanager_refuses_is_refused(tmp_path, text):
    assert amtool(tmp_path, [text], {}) is None
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


@pytest.mark.parametrize("text", list(STRICTER))
def test_what_is_refused_on_purpose_is_accepted_there(tmp_path, text):
    """An entry that Alertmanager refuses too belongs to the list above."""
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)
    assert amtool(tmp_path, [text], {}) is not None


@pytest.mark.parametrize("text", NEWER)
def test_a_name_of_newer_alertmanagers_is_read_as_they_read_it(tmp_path, text):
    (matcher,) = parse(text)
    assert matcher.matches({matcher.name: "x"})
    assert amtool(tmp_path, [text], {}) in (None, [])


QUOTED = [*"xy.*|()[]{}1,?+^$-dé", r"\\", r"\\d", r"\n", r"\"", r"\d"]
BARE = [*'xy.*|+?1,= {}"é-~!\\', "\t"]


def some_text(random):
    operator = random.choice(["=", "!=", "=~", "!~"])
    signs = QUOTED if random.random() < 0.7 else BARE
    value = "".join(random.choice(signs) for _ in range(random.randint(1, 7)))
    return f'a{operator}"{value}"' if signs is QUOTED else f"a{operator}{value}"


@pytest.mark.parametrize("seed", range(20))
def test_any_text_that_we_accept_alertmanager_reads_alike(tmp_path, seed):
    """Texts from the signs that matter to the grammar: many are refused, and some are read."""
    random = Random(seed)
    texts = []
    while len(texts) < 40:
        text = some_text(random)
        try:
            parse(text)
        except ValueError:
            continue
        texts.append(text)
    for labels in ({}, *(sample for sample in random.sample(SAMPLES, 4))):
        said = amtool(tmp_path, texts, labels)
        assert said is not None, f"refused there: {refused_there(tmp_path, texts)}"
        assert [text for text in texts if ours(text, labels)] == said


def refused_there(folder, texts):
    return [text for text in texts if amtool(folder, [text], {}) is None]


def times(start, end):
    return {"times": [{"start_time": start, "end_time": end}]}


ACCEPTED = [
    times("00:00", "24:00"),
    times("09:00", "17:30"),
    times("23:59", "24:00"),
    {"weekdays": ["monday:friday", "sunday"]},
    {"weekdays": ["Saturday", "SUNDAY:MONDAY"]},
    {"days_of_month": ["1", "5:7", "-1", "-3:-1", "14:-14", "1:-27", "1:31"]},
    {"months": ["january", "2:3", "May:August", "12"]},
    {"years": ["2026", "2027:2030"]},
    {"weekdays": ["friday"], "location": "Europe/Berlin"},
    {"weekdays": ["friday"], "location": "America/Argentina/Buenos_Aires"},
    {"weekdays": ["friday"], "location": "UTC"},
]
REFUSED = [
    times("24:00", "24:00"),
    times("09:00", "09:00"),
    times("22:00", "06:00"),
    times("9:00", "10:00"),
    times("09:00", "24:01"),
    times("09:60", "10:00"),
    times("", "10:00"),
    {"weekdays": ["mon"]},
    {"weekdays": ["1"]},
    {"weekdays": ["monday : friday"]},
    {"weekdays": ["friday:monday"]},
    {"weekdays": ["monday:"]},
    {"days_of_month": ["0"]},
    {"days_of_month": ["32"]},
    {"days_of_month": ["5:1"]},
    {"days_of_month": ["-1:-3"]},
    {"days_of_month": ["-3:5"]},
    {"days_of_month": ["15:-14"]},
    {"days_of_month": ["1.5"]},
    {"months": ["jan"]},
    {"months": ["may:march"]},
    {"years": ["2027:2026"]},
    {"years": ["now"]},
    {"weekdays": ["friday"], "location": "Berlin"},
    {"weekdays": ["friday"], "zone": "UTC"},
]
MORE_CAREFUL = {
    "a month that does not exist": {"months": ["13"]},
    "a year of another age": {"years": ["26"]},
    "a number with a zero before it": {"days_of_month": ["01"]},
    "always, written as an interval": {"location": "UTC"},
    "a list that says nothing": {"weekdays": [], "months": ["may"]},
    "the zone of whatever machine this is": {"weekdays": ["friday"], "location": "Local"},
}


def accepted_there(folder, interval):
    config = folder / "alertmanager.json"
    named = [{"name": "some", "time_intervals": [interval]}]
    config.write_text(
        json.dumps(
            {
                "route": {"receiver": "none", "routes": [{"active_time_intervals": ["some"]}]},
                "receivers": [{"name": "none"}],
                "time_intervals": named,
            }
        )
    )
    command = [AMTOOL, "check-config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0 or "FAILED" in done.stdout, done
    return done.returncode == 0


def accepted_here(interval):
    try:
        Interval.model_validate(interval)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("interval", ACCEPTED, ids=str)
def test_an_interval_of_alertmanager_is_one_of_ours(tmp_path, interval):
    assert accepted_there(tmp_path, interval)
    assert accepted_here(interval)


@pytest.mark.parametrize("interval", REFUSED, ids=str)
def test_what_is_no_interval_there_is_none_here(tmp_path, interval):
    assert not accepted_there(tmp_path, interval)
    assert not accepted_here(interval)


@pytest.mark.parametrize("interval", MORE_CAREFUL.values(), ids=MORE_CAREFUL)
def test_an_interval_that_is_refused_on_purpose_is_accepted_there(tmp_path, interval):
    assert accepted_there(tmp_path, interval)
    assert not accepted_here(interval)


@pytest.mark.parametrize("seed", range(30))
def test_any_interval_that_we_accept_alertmanager_accepts(tmp_path, seed):
    random = Random(seed)

    def some(words):
        first, last = random.choice(words), random.choice(words)
        return random.choice([f"{first}", f"{first}:{last}"])

    days = [str(n) for n in (*range(1, 33), *range(-32, 0))]
    clock = [f"{hour:02}:{minute:02}" for hour in (0, 9, 24) for minute in (0, 30)]
    fields = {
        "weekdays": [some([*WEEKDAYS, "7"])],
        "days_of_month": [some(days)],
        "months": [some([*MONTHS, "1", "12"])],
        "years": [some(["2025", "2026", "2027"])],
        **times(random.choice(clock), random.choice(clock)),
    }
    for field, value in fields.items():
        interval = {field: value}
        assert accepted_here(interval) is accepted_there(tmp_path, interval), interval
