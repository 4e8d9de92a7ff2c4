"""What DynamoDB did not take of a run, kept until `python -m discovery replay` brings it in.

One file a write in `settings.spool_folder`; in Lambda, whose files are lost, a message of the SQS
queue `DISCOVERY_DLQ_URL`. Replaying is harmless in any order and any number of times: see
`discovery.run.writes`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from discovery.aws.errors import aws_errors
from discovery.aws.session import Aws
from discovery.errors import AwsError, DiscoveryError, FailureKind
from discovery.run.writes import WRITE, Write, WriteApplier
from discovery.settings import Settings

_log = logging.getLogger(__name__)
_MESSAGES_A_CALL = 10
_HIDDEN_SECONDS = 300
_LONG_POLL_SECONDS = 1
"""A receive that does not wait asks only some of SQS's servers, and may find none of a few."""
_AWAY = frozenset(
    {FailureKind.AWS_UNAVAILABLE, FailureKind.THROTTLED, FailureKind.UNREADABLE_REPLY}
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. `problems` names each write that stays where it is, and why."""

    written: int
    problems: tuple[str, ...]


def replay_spooled(settings: Settings) -> Replayed:
    """Store what DynamoDB did not take of earlier runs; what is stored is removed from the spool.

    Raises AwsError when the queue cannot be read.
    """
    aws = Aws(settings)
    return Spool(aws).replay(WriteApplier(aws))


class FolderSpool:
    """One file a write: complete and on disk, or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, write: Write) -> str:
        """Keep `write` and say where. Raises OSError when the disk does not take it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{write.run_id}-{write.kind}-{uuid4().hex[:8]}"
        unfinished, path = self._folder / f"{name}.tmp", self._folder / f"{name}.json"
        with unfinished.open("xb") as file:
            file.write(WRITE.dump_json(write))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        _sync_folder(self._folder)
        return str(path)

    def files(self) -> list[Path]:
        """The writes that are kept, the oldest run's first."""
        return sorted(self._folder.glob("*.json"))


class QueueSpool:
    """An SQS queue. A message is gone only when what it holds is stored."""

    def __init__(self, aws: Aws, url: str) -> None:
        self._client = aws.home("sqs")
        self._url = url

    def keep(self, write: Write) -> str:
        """Keep `write` and say where. Raises AwsError."""
        with aws_errors():
            self._client.send_message(
                QueueUrl=self._url, MessageBody=WRITE.dump_json(write).decode()
            )
        return self._url

    def messages(self) -> Iterator[tuple[str, str]]:
        """(receipt, text) of each message, once; those not deleted come back minutes later."""
        while True:
            with aws_errors():
                response = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_MESSAGES_A_CALL,
                    VisibilityTimeout=_HIDDEN_SECONDS,
                    WaitTimeSeconds=_LONG_POLL_SECONDS,
                )
            if not response.get("Messages"):
                return
            for message in response["Messages"]:
                yield message["ReceiptHandle"], message["Body"]

    def delete(self, receipt: str) -> None:
        """Forget a message. Raises AwsError."""
        with aws_errors():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)


class Spool:
    """Where a run puts what it could not write: the queue if there is one, else the folder."""

    def __init__(self, aws: Aws) -> None:
        self._folder = FolderSpool(aws.settings.spool_folder)
        url = aws.settings.dead_letter_queue
        self._queue = QueueSpool(aws, url) if url else None

    def keep(self, write: Write) -> str:
        """Keep `write` and say where; the folder takes what the queue refuses. Raises OSError."""
        if self._queue:
            try:
                return self._queue.keep(write)
            except AwsError as error:
                _log.warning("the queue refused a write, the folder takes it: %s", error)
        return self._folder.keep(write)

    def replay(self, applier: WriteApplier) -> Replayed:
        """Write everything that is kept; what is written is removed from here.

        Raises AwsError when the queue cannot be read.
        """
        written = 0
        problems: list[str] = []
        for where, text, forget in self._kept_writes():
            try:
                applier.replay(WRITE.validate_json(text))
            except ValidationError as error:
                problem = error.errors()[0]["msg"]
                problems.append(f"{where}: not a write of this product: {problem}")
            except DiscoveryError as error:  # DynamoDB refuses, or holds what cannot be read
                problems.append(f"{where}: {error}")
                if isinstance(error, AwsError) and error.kind in _AWAY:
                    problems.append("DynamoDB does not answer: what else is kept was not tried")
                    break
            else:
                forget()
                written += 1
        return Replayed(written, tuple(problems))

    def _kept_writes(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        """Of each write that is kept: where it is, its text, and what forgets it."""
        for path in self._folder.files():
            try:
                text = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue  # another replay has brought it in
            yield str(path), text, partial(path.unlink, missing_ok=True)
        if self._queue:
            for receipt, text in self._queue.messages():
                yield "message in the queue", text, partial(self._queue.delete, receipt)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
