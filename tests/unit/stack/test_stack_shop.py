"""The shop's own numbers, and that its settings come from the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.api_server import RANDOM_ERRORS, SERVICE_OF
from stack.traffic import ENDPOINTS

REPOSITORY = Path(__file__).parents[3]
RATE = 50


def test_a_service_has_one_or_two_errors_in_ten_seconds_on_a_good_day():
    assert set(SERVICE_OF) == set(ENDPOINTS)
    assert 0.1 <= RATE / len(ENDPOINTS) * RANDOM_ERRORS <= 0.2


@pytest.mark.parametrize(
    "key", ["DB_POOL_SIZE", "DB_POOL_TIMEOUT", "SPOOL_KEEP_FILES", "LOG_LEVEL"]
)
def test_pool_settings_come_from_the_environment_file_and_are_checked(tmp_path, key):
    file = tmp_path / "api-server.env"
    file.write_text(f"{key}=many\n")
    launch = [sys.executable, "-m", "stack.launch", "--env", str(file), "--"]
    done = subprocess.run(
        [*launch, sys.executable, "-m", "stack.api_server", "--port", "0"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert f"invalid configuration: {key}" in done.stdout + done.stderr
