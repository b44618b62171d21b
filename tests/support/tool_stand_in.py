"""A stand-in for the tool server in phase `investigate`: the nine names, a small fixed world.

Hand-written JSON-RPC over stdio, so that it starts in milliseconds. The world is a JSON file named
by STAND_IN_WORLD: {tool: structured answer | {"error": text}}; a tool that is not in it answers
`{}`. STAND_IN_MODE: `hang` never answers initialize, `crash` exits at the first call, `silent`
never answers get_logs, `extra` also offers a tool that writes.
"""

import ctypes
import json
import os
import signal
import sys

TOOLS = (
    "query_metrics",
    "list_metrics",
    "get_service_health",
    "read_config_file",
    "get_container_logs",
    "get_logs",
    "get_alerts",
    "get_recent_deployments",
    "execute_runbook",
)
PR_SET_PDEATHSIG = 1


def answer(world: dict, number: int, name: str) -> dict:
    """The result of one call."""
    call = f"c{number}"
    result = world.get(name, {})
    if name not in TOOLS or "error" in result:
        text = result.get("error", "unknown tool")
        return {"content": [{"type": "text", "text": f"[{call}] {text}"}], "isError": True}
    return {
        "content": [{"type": "text", "text": f"[{call}] {name}"}],
        "structuredContent": {"call": call, **result},
    }


def listing(names: tuple) -> dict:
    """The answer to tools/list."""
    return {
        "tools": [
            {
                "name": name,
                "description": name.replace("_", " "),
                "inputSchema": {"type": "object"},
                "annotations": {"readOnlyHint": True},
            }
            for name in names
        ]
    }


def main() -> None:
    """Serve until stdin ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    mode = os.environ.get("STAND_IN_MODE", "")
    world = {}
    if path := os.environ.get("STAND_IN_WORLD"):
        with open(path) as file:  # noqa: PTH123 - pathlib would double the start-up time
            world = json.load(file)
    calls = 0
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or mode == "hang":
            continue
        match message["method"]:
            case "initialize":
                result = {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "stand-in", "version": "1"},
                }
            case "tools/list":
                result = listing((*TOOLS, "edit_config_file") if mode == "extra" else TOOLS)
            case "tools/call":
                if mode == "crash":
                    sys.exit(1)
                calls += 1
                if mode == "silent" and message["params"]["name"] == "get_logs":
                    continue
                result = answer(world, calls, message["params"]["name"])
            case _:
                result = {}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
