"""What tokens cost: a table by model name, and what the operator says about other names."""

from collections.abc import Mapping
from dataclasses import dataclass

from sre_daemon.domain.run import Usage

MILLION = 1e6
# Of the price of reading: what a cache asks for a read, and for a write of five minutes.
CACHE_READ = 0.1
CACHE_WRITE = 1.25


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    read: float
    written: float

    def of(self, usage: Usage) -> float:
        """What this usage costs."""
        read = (
            usage.input_tokens
            + CACHE_READ * usage.cache_read_tokens
            + CACHE_WRITE * usage.cache_write_tokens
        )
        return (read * self.read + usage.output_tokens * self.written) / MILLION


# By the beginning of the name, the longest first; other platforms put a prefix before it.
LIST: Mapping[str, Price] = {
    "claude-opus-4-6": Price(5, 25),
    "claude-opus-4-7": Price(5, 25),
    "claude-opus-5": Price(5, 25),
    "claude-opus-5-5": Price(4, 20),
    "claude-sonnet-4-6": Price(3, 15),
    "claude-sonnet-5": Price(2, 10),
    "claude-haiku-4-5": Price(1, 5),
    "claude-haiku-5-5": Price(0.1, 0.5),
}
# An unknown model is taken for a dear one: a budget then ends early, never late.
UNKNOWN = Price(15, 75)


def price(model: str, own: Mapping[str, Price]) -> Price:
    """The price of a model: the operator's word first, then the list."""
    if model in own:
        return own[model]
    names = sorted((name for name in LIST if name in model), key=len)
    return LIST[names[-1]] if names else UNKNOWN


def listed(model: str) -> bool:
    """Whether the list has a price for this model."""
    return any(name in model for name in LIST)
