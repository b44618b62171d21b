"""`python -m bench [AREA | AREA.PART]…`: measures, prints, and writes docs/performance.md."""

import argparse
import importlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import page
from bench.area import Area, Effort, Goal, Measure

# Each module has PARTS, its measurements by name. Loaded when asked for.
AREAS = {
    "intake": "bench.intake",
    "watch": "bench.watch",
    "soak": "bench.soak",
    "tools": "bench.tools",
}


def main() -> int:
    """0 when everything was measured, whatever came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=list(AREAS), help=", ".join(AREAS))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one slice")
    parser.add_argument("--folder", type=Path, default=Path("var"), help="on the disk to measure")
    parser.add_argument("--dry", action="store_true", help="print only, leave the page alone")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    missed: list[Goal] = []
    for name, title, measure in _parts(asked.what, parser):
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir=asked.folder)).resolve()
        print(f"# {name}", file=sys.stderr, flush=True)
        try:
            found = measure(Effort(folder, asked.repetitions, asked.seconds))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"## {title}\n\n{page.rendered(found)}\n", flush=True)
        missed += [goal for goal in found.goals if not goal.holds]
        if not asked.dry:
            page.write(name, title, found)
    for goal in missed:
        print(f"missed: {goal.sentence}: {goal.measured}", file=sys.stderr)
    return 0


def _parts(what: list[str], parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, Measure]]:
    for word in what:
        area, _, part = word.partition(".")
        if area not in AREAS:
            parser.error(f"{area} is none of {', '.join(AREAS)}")
        known: Area = importlib.import_module(AREAS[area]).PARTS
        if part and part not in known:
            parser.error(f"{word} is none of {', '.join(f'{area}.{name}' for name in known)}")
        for name, measure in known.items():
            if part in ("", name):
                yield f"{area}.{name}", (measure.__doc__ or name).partition("\n")[0], measure


if __name__ == "__main__":
    sys.exit(main())
