"""Amazon's DynamoDB Local as a process of the test's own: a real, durable engine.

Its licence does not allow shipping it: `.ci/run` fetches it. Version of 2020: it refuses empty
strings, which DynamoDB itself has taken since May 2020.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from discovery import artefacts
from discovery.settings import Settings

_DEFAULT_FOLDER = Path.home() / ".cache" / "database-discovery" / "dynamodb-local"
_START_SECONDS = 60


def installed_folder() -> Path:
    """The folder that holds DynamoDBLocal.jar; skips the test where it is not installed, except
    under CI, where that is a failure."""
    folder = Path(os.environ.get("DYNAMODB_LOCAL_DIR") or _DEFAULT_FOLDER)
    missing = [
        what
        for what, there in (
            (f"{folder}/DynamoDBLocal.jar", (folder / "DynamoDBLocal.jar").exists()),
            ("java", shutil.which("java")),
        )
        if not there
    ]
    if missing:
        reason = f"DynamoDB Local needs {' and '.join(missing)}: see .ci/run"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


class DynamoDbLocal:
    """Use as a context manager; `data` outlives it."""

    def __init__(self, data: Path) -> None:
        self._folder = installed_folder()
        self._data = data

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [
                "java",
                f"-Djava.library.path={self._folder / 'DynamoDBLocal_lib'}",
                "-Xmx256m",
                *("-jar", str(self._folder / "DynamoDBLocal.jar")),
                *("-port", str(port), "-dbPath", str(self._data), "-sharedDb"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def client(self) -> Any:
        """A client; the engine checks no credentials."""
        session: Any = boto3
        return session.client(
            "dynamodb",
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
        )

    def create_tables(self, settings: Settings) -> None:
        """Both tables, with the keys and indexes of schema/."""
        client = self.client()
        known = ("TableName", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        for path in ("schema/dynamodb-table.json", "schema/dynamodb-runs-table.json"):
            names = {"RESULTS_TABLE": settings.results_table, "RUNS_TABLE": settings.runs_table}
            table = artefacts.render(path, names)["Table"]
            arguments = {name: table[name] for name in known if name in table}
            client.create_table(**arguments, BillingMode="PAY_PER_REQUEST")

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.client().list_tables()
                return
            except BotoCoreError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
