"""The JSON schemas of the policy file and of its cases, for editors: made from the models."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from sre_daemon.policy.cases import CaseFile
from sre_daemon.policy.model import PolicyDocument
from sre_daemon.settings.base import DURATION

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Schema(GenerateJsonSchema):
    """With durations as people write them here, in place of ISO 8601's."""

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        """Such as 30s or 1h30m."""
        return {"type": "string", "pattern": f"^({DURATION.pattern})+$"}

    def encode_default(self, dft: Any) -> Any:
        """A default as it would stand in the file."""
        if isinstance(dft, timedelta):
            return f"{dft.total_seconds():g}s"
        if isinstance(dft, BaseModel):
            return {name: self.encode_default(value) for name, value in dft}
        return super().encode_default(dft)


def policy_schema() -> dict[str, Any]:
    """Of the policy file."""
    return _of(PolicyDocument)


def cases_schema() -> dict[str, Any]:
    """Of the file of `policy test`."""
    return _of(CaseFile)


def _of(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": DIALECT, **model.model_json_schema(schema_generator=_Schema)}
