"""How much of the memory bodies may take together."""

import pytest

from sre_daemon.errors import StoreUnavailable
from sre_daemon.web.webhook import InFlight


def test_bytes_above_the_limit_are_refused_and_given_back():
    memory = InFlight(100)
    with memory.share(60) as one:
        with pytest.raises(StoreUnavailable), memory.share(41):
            pass
        with memory.share(0) as other:
            other.grow_to(40)
            with pytest.raises(StoreUnavailable):
                one.grow_to(61)
        one.grow_to(100)
    with memory.share(100):
        pass
