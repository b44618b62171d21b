"""What an area of the bench is: named measurements, each of which ends in a piece of Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Effort:
    """How hard to look. `folder` is empty and lies on the disk that is measured."""

    folder: Path
    repetitions: int
    seconds: float


@dataclass(frozen=True)
class Goal:
    """One sentence that should be true, what was measured instead, and whether it is."""

    sentence: str
    measured: str
    holds: bool


@dataclass(frozen=True)
class Finding:
    """`text` is Markdown without a heading."""

    text: str
    goals: Sequence[Goal] = ()


Measure = Callable[[Effort], Finding]
Area = Mapping[str, Measure]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, and the range in brackets; three digits are more than any of it deserves."""
    ordered = sorted(values)
    low, middle, high = ordered[0], median(ordered), ordered[-1]
    return f"{middle:.3g}{unit} ({low:.3g} to {high:.3g})"


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
