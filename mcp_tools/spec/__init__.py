"""What a tool is: its name, words for the model, input and output, and the phase it belongs to."""

from mcp_tools.spec.text import clean, clip, fit, visible_json
from mcp_tools.spec.tool import Input, Output, Part, Phase, ToolSpec

__all__ = ["Input", "Output", "Part", "Phase", "ToolSpec", "clean", "clip", "fit", "visible_json"]
