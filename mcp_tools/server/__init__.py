"""The MCP server and its two transports."""

from mcp_tools.server.dispatcher import Dispatcher, build
from mcp_tools.server.http import Front, http
from mcp_tools.server.results import describe
from mcp_tools.server.transports import stdio

__all__ = ["Dispatcher", "Front", "build", "describe", "http", "stdio"]
