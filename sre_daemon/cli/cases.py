"""`policy test`: runs the cases of a file against a policy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sre_daemon import documents
from sre_daemon.cli import options, output
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy import cases, file
from sre_daemon.policy.cases import Result
from sre_daemon.policy.explain import lines


def run_cases(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The cases.")],
    policy_file: Annotated[
        Path | None, typer.Option("--policy", help="Ask this policy, not the one the file names.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Unit tests of a policy: cases of alerts, time, state and effects with the expected verdict.

    Exit 0 all as expected, 1 some differ, 2 a file cannot be used.
    """
    given, places = cases.read(documents.read(path, PolicyFileError), str(path))
    policy = file.load(policy_file or path.parent / given.policy)
    results = cases.run(policy, given, places, str(path))
    if json:
        output.say_json([_data(path, result) for result in results])
    else:
        _say(path, results, cases.untried(policy, results))
    raise typer.Exit(1 if any(result.differences for result in results) else 0)


def _say(path: Path, results: Sequence[Result], untried: Sequence[str]) -> None:
    for result in results:
        if not result.differences:
            output.say(result.case.name, "ok", 9)
            continue
        output.say(f"{path}:{result.line}: {result.case.name}", "differs", 9)
        for text in result.differences:
            output.say(f"  {text}")
        output.say(f"  because {result.verdict.message}")
        for line in lines(result.verdict.tree, "    "):
            output.say(line)
    for name in untried:
        output.say(f"no case is decided by {name}", "note", 9)
    differ = sum(bool(result.differences) for result in results)
    output.say(f"{len(results)} cases, {differ} differ")


def _data(path: Path, result: Result) -> dict[str, object]:
    verdict = result.verdict
    return {
        "name": result.case.name,
        "file": str(path),
        "line": result.line,
        "passed": not result.differences,
        "differences": list(result.differences),
        "verdict": verdict.decision.value,
        "policy": verdict.policy,
        "reason": verdict.reason.value,
        "message": verdict.message,
        "lines": list(lines(verdict.tree)),
    }
