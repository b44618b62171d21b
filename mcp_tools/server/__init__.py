"""The MCP server and its two transports."""

from mcp_tools.server.dispatcher import Dispatcher, build, describe
from mcp_tools.server.transports import http, stdio

__all__ = ["Dispatcher", "build", "describe", "http", "stdio"]
