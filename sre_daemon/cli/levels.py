"""`policy restore`: gives a demoted policy the level of its file back."""

from typing import Annotated
from urllib.parse import quote

import typer

from sre_daemon.cli import output
from sre_daemon.cli.client import connect
from sre_daemon.cli.options import Json, Reason, Url


def run_restore(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the policy.")],
    reason: Reason,
    url: Url = "",
    json: Json = False,
) -> None:
    """Give a policy that was demoted after a failed proof the level of its file back."""
    path = f"/policies/{quote(name, safe='')}/restore"
    given = connect(url).post(path, {"reason": reason})
    if json:
        output.say_json(given)
    else:
        output.say(f"{given['policy']} was {given['before']}", given["level"])
