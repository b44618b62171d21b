"""What every part of the policy file is made of."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen part of the file that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
