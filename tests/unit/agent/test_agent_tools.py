import pytest

from sre_daemon.agent.tools import call_name


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ('{"call":"c3","x":1}', "c3"),
        ('{\n "x": 1, "call": "c12"}', "c12"),
        ("[c7] the file does not exist. Name another.", "c7"),
        ("Error: No such tool available", ""),
        ('{"call": 3}', ""),
        ('{"call": "c3\\n"}', ""),
        ('{"call": "x"}', ""),
        ('["c1"]', ""),
        ("c1", ""),
        ('text {"call":"c3"}', ""),
        ("", ""),
    ],
)
def test_call_name_is_read_only_where_the_server_writes_it(output, name):
    assert call_name(output) == name
