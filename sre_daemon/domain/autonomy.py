"""How far a policy may go by itself: it only says, it asks, it acts. Earned step by step, lost at once."""

from enum import StrEnum


class Autonomy(StrEnum):
    """From the least to the most."""

    SHADOW = "shadow"
    ASK = "ask"
    AUTO = "auto"

    @property
    def rank(self) -> int:
        """0 is the least."""
        return LADDER.index(self)


LADDER = (Autonomy.SHADOW, Autonomy.ASK, Autonomy.AUTO)


def lower(first: Autonomy, second: Autonomy) -> Autonomy:
    """The more careful of two."""
    return min(first, second, key=LADDER.index)
