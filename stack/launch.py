"""`python -m stack.launch --env FILE -- PROGRAM …`: run a program with the values of an environment file.

The file is read at each start, so that a restart picks up what was changed, as a redeployed
container would; it is data and never passes a shell.
"""

import os
import sys
from pathlib import Path

from stack import envfile


def main() -> None:
    """Read, replace this process."""
    flag, file, dashes, *command = sys.argv[1:]
    if flag != "--env" or dashes != "--" or not command:
        sys.exit("usage: python -m stack.launch --env FILE -- PROGRAM [ARGUMENTS]")
    os.execvpe(command[0], command, os.environ | envfile.read(Path(file)))  # noqa: S606


if __name__ == "__main__":
    main()
