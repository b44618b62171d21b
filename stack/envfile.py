"""Environment files: `KEY=value` lines, read and written key by key; nothing is ever executed."""

from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """The keys and their values; comments and blank lines are skipped."""
    values: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            key, _, value = stripped.partition("=")
            values[key.strip()] = value.strip()
    return values


def change(path: Path, key: str, value: str) -> str:
    """Give one key another value, the rest of the file untouched; the value before."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith(f"{key}="):
            before = line.partition("=")[2].rstrip("\n")
            lines[number] = f"{key}={value}\n"
            path.write_text("".join(lines), encoding="utf-8")
            return before
    raise KeyError(f"{path} has no {key}")
