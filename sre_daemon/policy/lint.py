"""What a policy file may say and hardly means: each with its line."""

from collections.abc import Iterator
from dataclasses import dataclass

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.policy.autonomy import CEILINGS
from sre_daemon.policy.file import Policy
from sre_daemon.policy.matchers import Matcher, Operator
from sre_daemon.policy.model import Rule


@dataclass(frozen=True, slots=True)
class Warned:
    """One sentence for the operator, about this line of the file."""

    line: int
    text: str


def lint(policy: Policy) -> list[Warned]:
    """In the order of the file."""
    found = [Warned(policy.lines.of(*place), text) for place, text in _all(policy)]
    return sorted(found, key=lambda item: item.line)


Place = tuple[int | str, ...]


def _all(policy: Policy) -> Iterator[tuple[Place, str]]:
    if policy.mode != "act":
        yield ("mode",), f"mode is {policy.mode}: nothing is ever changed without a person"
    for number, rule in enumerate(policy.policies):
        place = ("policies", number)
        for text in _matching(rule, policy.policies[:number]):
            yield (*place, "matchers"), f"{rule.name}: {text}"
        yield from ((place + key, f"{rule.name}: {text}") for key, text in _level(rule, policy))
        if {allow.effect for allow in rule.allow} == {"config.set"}:
            yield (
                (*place, "allow"),
                (
                    f"{rule.name}: allows config.set but no restart or redeploy, so the service may "
                    "never see the new value"
                ),
            )


def _matching(rule: Rule, before: tuple[Rule, ...]) -> Iterator[str]:
    if _contradictory(rule.parsed):
        yield "its matchers contradict each other; it never matches"
        return
    own = {str(matcher) for matcher in rule.parsed}
    for earlier in before:
        theirs = {str(matcher) for matcher in earlier.parsed}
        if theirs <= own:
            yield f"never reached, because {earlier.name} matches the same alerts first"
        elif not own <= theirs and not _contradictory((*earlier.parsed, *rule.parsed)):
            # A stricter one before a wider one is the usual way to write an exception.
            yield f"some alerts may match {earlier.name}, too, which comes first and decides alone"


def _level(rule: Rule, policy: Policy) -> Iterator[tuple[Place, str]]:
    ceiling = CEILINGS[policy.mode]
    # What nobody wrote nobody relies on.
    if "autonomy" in rule.model_fields_set and Autonomy(rule.autonomy).rank > ceiling.rank:
        text = f"autonomy {rule.autonomy} is never more than {ceiling} while mode is {policy.mode}"
        yield ("autonomy",), text
    if rule.promotion and rule.ceiling.rank > ceiling.rank:
        text = f"what it earns above {ceiling} changes nothing while mode is {policy.mode}"
        yield ("promotion", "to"), text


def _contradictory(matchers: tuple[Matcher, ...]) -> bool:
    wanted: dict[str, set[str]] = {}
    for matcher in matchers:
        if matcher.operator is Operator.EQUAL:
            wanted.setdefault(matcher.name, set()).add(matcher.value)
    if any(len(values) > 1 for values in wanted.values()):
        return True
    fixed = {name: next(iter(values)) for name, values in wanted.items()}
    return not all(matcher.matches(fixed) for matcher in matchers if matcher.name in fixed)
