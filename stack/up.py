"""`make stack` and `make stack-down`: the stack as containers, left running without a fault."""

import asyncio
import shutil
import sys
from pathlib import Path

from stack.containers import ContainerStack, engine_socket, local_images
from stack.shop import StackError

# Below the folder that it is called in: the checkout, for `make stack`.
ROOT = Path("build/stack")


def up(*, local: bool) -> int:
    """Start it and say where everything is; the exit code."""
    root = ROOT.resolve()
    if (root / "compose.yaml").exists():
        sys.stdout.write(f"the stack in {root} runs already; `make stack-down` stops it\n")
        return 1
    try:
        images = local_images() if local else None
        root.mkdir(parents=True, exist_ok=True)
        stack = ContainerStack(root, images=images, engine=engine_socket())
        asyncio.run(stack.start(lambda text: print(f"… {text}", flush=True)))
    except StackError as failure:
        sys.stderr.write(f"problem: {failure}\n`make stack-down` removes what was started\n")
        return 1
    for name, value in (
        ("console", f"{stack.daemon}/"),
        ("API token", f"in {root}/private/api-token"),
        ("shop", stack.api),
        ("Prometheus", stack.prometheus),
        ("Alertmanager", stack.alertmanager),
        ("Grafana", stack.grafana or "not with IMAGES=local"),
        ("files", str(root)),
    ):
        print(f"{name:<13} {value}")
    return 0


def stop() -> int:
    """Stop it and remove its containers, volumes and files; the exit code."""
    root = ROOT.resolve()
    if not (root / "compose.yaml").exists():
        sys.stdout.write("no stack is running\n")
        return 0
    try:
        asyncio.run(ContainerStack(root, engine=engine_socket()).stop())
    except StackError as failure:
        sys.stderr.write(f"problem: {failure}\n")
        return 1
    shutil.rmtree(root)
    return 0
