"""`python -m stack demo`, and what belongs to it."""

import argparse
import asyncio
import sys

from stack import demo, faults, kept, up


def main() -> int:
    """Parse, run, exit code."""
    parser = argparse.ArgumentParser(prog="python -m stack", description="The demo system.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("demo", help="start the shop, break it, watch it heal")
    run.add_argument("--fault", default="pool-size", help="which fault; `help` lists them")
    run.add_argument("--keep", action="store_true", help="leave everything running at the end")
    run.add_argument("--runtime", choices=["supervisor", "compose"], default="supervisor")
    run.add_argument(
        "--images", choices=["local"], help="build the containers' images here, pull nothing"
    )
    commands.add_parser("down", help="stop a demo that was left running")
    start = commands.add_parser("up", help="start the stack as containers, and leave it running")
    start.add_argument("--images", choices=["local"], help="build the images here, pull nothing")
    commands.add_parser("stop", help="stop the stack that `up` started")
    arguments = parser.parse_args()
    if arguments.command == "down":
        return kept.stop()
    if arguments.command == "up":
        return up.up(local=arguments.images == "local")
    if arguments.command == "stop":
        return up.stop()
    if arguments.fault not in faults.FAULTS:
        if arguments.fault != "help":
            sys.stdout.write(f"there is no fault {arguments.fault!r}; there are:\n")
        for fault in faults.FAULTS.values():
            ends = "repaired" if fault.repairable else "handed to a person (exit 1)"
            sys.stdout.write(f"{fault.name:<17}{fault.description} Ends: {ends}.\n")
        return 0 if arguments.fault == "help" else 2
    local = arguments.images == "local"
    return asyncio.run(
        demo.run(arguments.fault, keep=arguments.keep, runtime=arguments.runtime, local=local)
    )


if __name__ == "__main__":
    sys.exit(main())
