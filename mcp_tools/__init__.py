"""The tool server: what an agent may look at and, through a gate, change. Speaks MCP; never imports the daemon."""
