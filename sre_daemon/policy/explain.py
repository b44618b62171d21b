"""`policy explain`: which policy decides about an alert, what it allows, and why, as data.

The terminal, the API and the console show the same tree.
"""

from collections.abc import Iterator, Mapping, Sequence

from sre_daemon.domain.verdict import Mark, Node
from sre_daemon.policy.autonomy import level
from sre_daemon.policy.decide import decide, deciding
from sre_daemon.policy.file import Policy
from sre_daemon.policy.question import Question

MARKS = {Mark.YES: "✓", Mark.NO: "✗", Mark.NOTE: "·"}


def explain(policy: Policy | None, question: Question) -> dict[str, object]:
    """JSON values: `mode`, `policy`, `autonomy`, `verdict`, `reason`, `message`, `tree`, `lines`, `allows`.

    Without effects the verdict is about nothing in particular: `allows` says what could be done, and
    `autonomy` how far the policy may go by itself now. `lines` is the tree as text.
    """
    verdict = decide(policy, question)
    rule = deciding(policy, question.alerts)
    now = rule and policy and level(rule, policy, question.earned, question.at)
    return {
        "mode": policy.mode if policy else "none",
        "policy": verdict.policy,
        "autonomy": now.autonomy.value if now else "",
        "verdict": verdict.decision.value,
        "reason": verdict.reason.value,
        "message": verdict.message,
        "tree": [_data(node) for node in verdict.tree],
        "lines": list(lines(verdict.tree)),
        "allows": [
            allow.model_dump(exclude_none=True, mode="json")
            for allow in (rule.allow if rule else ())
        ],
    }


def lines(tree: Sequence[Node], indent: str = "") -> Iterator[str]:
    """The tree as text, each line with its mark."""
    for node in tree:
        yield f"{indent}{MARKS[node.mark]} {node.text}"
        yield from lines(node.nodes, indent + "  ")


def _data(node: Node) -> Mapping[str, object]:
    return {
        "mark": node.mark.value,
        "text": node.text,
        "nodes": [_data(inner) for inner in node.nodes],
    }
