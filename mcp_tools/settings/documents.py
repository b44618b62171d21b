"""Reading the operator's files: strict, bounded, and with every mistake told by its place."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mcp_tools.errors import SettingsError

M = TypeVar("M", bound=BaseModel)
MAX_BYTES = 1 << 20


def secret_of(file: Path) -> str:
    """The secret that a file holds.

    Raises:
        SettingsError: it cannot be read.
    """
    return read(file).strip()


def read_yaml(path: Path, model: type[M]) -> M:
    """Read and validate a YAML file of the operator; duplicate and unknown keys are refused.

    Raises:
        SettingsError: naming the file and the key.
    """
    return validate(parse_yaml(read(path), str(path)), model, str(path))


def parse_yaml(text: str, name: str) -> Any:
    """YAML text as plain data, safe types only.

    Raises:
        SettingsError: it is not valid YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as failure:
        problem = str(getattr(failure, "problem", None) or type(failure).__name__)
        mark = getattr(failure, "problem_mark", None)
        place = f":{mark.line + 1}" if mark is not None else ""
        raise SettingsError(f"{name}{place}: not valid YAML: {problem.splitlines()[0]}.") from None


def read(path: Path) -> str:
    """A text file of reasonable size.

    Raises:
        SettingsError: it cannot be read as such.
    """
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise SettingsError(f"{path}: larger than {MAX_BYTES} bytes.", "Shorten it.")
        return data.decode("utf-8")
    except OSError as failure:
        raise SettingsError(
            f"{path}: cannot be read: {failure.strerror}.", "Check the path and its permissions."
        ) from failure
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8.", "Save it as UTF-8 text.") from None


def validate(data: object, model: type[M], name: str) -> M:
    """Data as a model of ours.

    Raises:
        SettingsError: naming the key.
    """
    try:
        return model.model_validate(data)
    except ValidationError as failure:
        mistakes = [
            f"{name}: {'.'.join(map(str, item['loc'])) or 'document'}: {item['msg']}"
            for item in failure.errors(include_url=False, include_context=False)
        ]
        raise SettingsError("; ".join(mistakes) + ".", "Correct it and start again.") from None
