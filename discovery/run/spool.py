"""What DynamoDB did not take of a run, kept until `python -m discovery replay` brings it in.

One file a write in `settings.spool_folder`; in Lambda, whose files are lost, a message of the SQS
queue `DISCOVERY_DLQ_URL`. Replaying is harmless in any order and any number of times: see
`discovery.run.writes`. A host's result that is too large, for a message or for DynamoDB, becomes a
failure of that host that says so: no entry can stay for ever.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from discovery.aws.errors import aws_errors
from discovery.aws.session import Aws
from discovery.errors import AwsError, DiscoveryError, FailureKind
from discovery.model import Coverage, Failure, HostReport, ReportedDatabase
from discovery.run.writes import WRITE, HostObservation, Write, WriteApplier
from discovery.settings import Settings

_log = logging.getLogger(__name__)
_DATABASE = TypeAdapter(ReportedDatabase)
_MESSAGES_A_CALL = 10
_HIDDEN_SECONDS = 300
_LONG_POLL_SECONDS = 1
"""A receive that does not wait asks only some of SQS's servers, and may find none of a few."""
_AWAY = frozenset(
    {FailureKind.AWS_UNAVAILABLE, FailureKind.THROTTLED, FailureKind.UNREADABLE_REPLY}
)


MAX_MESSAGE = 256 * 1024
"""Bytes of a message that every queue takes: 256 KiB, the least of the highest size that a queue's
MaximumMessageSize has had as its default (SQS API reference, CreateQueue)."""
MAX_DATABASE = 300_000
"""Bytes of one database in a result. With its host's tags and warnings it is within the 400 KB of a
DynamoDB item. What `discovery.model.bounds` lets through is below it; older entries may not be."""
_MAX_UNPACKED = 64 * 1024 * 1024


class TooLargeError(Exception):
    """A write is more than the place for it takes."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. `problems` names each write that stays where it is, and why; `replaced`
    each that could never be stored, and is stored as a failure of its host."""

    written: int
    problems: tuple[str, ...]
    replaced: tuple[str, ...] = ()


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
        """Keep `write` and say where. Raises AwsError, TooLargeError."""
        text = _message(WRITE.dump_json(write))
        with aws_errors():
            self._client.send_message(QueueUrl=self._url, MessageBody=text)
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
                return self._keep_in_queue(self._queue, write)
            except (AwsError, TooLargeError) as error:
                _log.warning("the queue refused a write, the folder takes it: %s", error)
        return self._folder.keep(write)

    def _keep_in_queue(self, queue: QueueSpool, write: Write) -> str:
        try:
            return queue.keep(write)
        except TooLargeError as error:
            failure = as_failure(write, f"its result could not be kept: {error}")
            if failure is None:
                raise
            _log.warning("a result is kept as a failure: %s", error)
            return queue.keep(failure)

    def replay(self, applier: WriteApplier) -> Replayed:
        """Write everything that is kept; what is written is removed from here.

        Raises AwsError when the queue cannot be read.
        """
        written = 0
        problems: list[str] = []
        replaced: list[str] = []
        for where, text, forget in self._kept_writes():
            try:
                write = WRITE.validate_json(_unpacked(text))
                if too_large := _too_large(write):
                    write = as_failure(write, too_large) or write
                applier.replay(write)
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
                if too_large:
                    replaced.append(f"{where}: stored as a failure: {too_large}")
        return Replayed(written, tuple(problems), tuple(replaced))

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


# --- what is too large ----------------------------------------------------------------------------


def as_failure(write: Write, why: str) -> HostObservation | None:
    """A host's report as a failure of the host; None for a write that is none."""
    if not isinstance(write, HostObservation) or not isinstance(write.result, HostReport):
        return None
    failure = Failure(FailureKind.STORE_FAILED, why)
    coverage = replace(
        write.coverage,
        coverage=Coverage.FAILED,
        error=failure.message,
        error_kind=failure.kind,
        warnings=(),
    )
    return replace(write, result=failure, coverage=coverage)


def _too_large(write: Write) -> str | None:
    """Why DynamoDB will never take `write`."""
    if not isinstance(write, HostObservation) or not isinstance(write.result, HostReport):
        return None
    for database in write.result.databases:
        size = len(_DATABASE.dump_json(database))
        if size > MAX_DATABASE:
            return f"{database.db_id} has {size:,} bytes: more than an item of DynamoDB takes"
    return None


def _message(text: bytes) -> str:
    """`text` as a message, packed where it must be. Raises TooLargeError."""
    if len(text) <= MAX_MESSAGE:
        return text.decode()
    packed = json.dumps({"packed": base64.b64encode(zlib.compress(text)).decode()})
    if len(packed) > MAX_MESSAGE:
        raise TooLargeError(f"it has {len(text):,} bytes: more than a message of a queue takes")
    return packed


def _unpacked(text: str) -> str | bytes:
    """What `_message` made a message of; anything else as it is."""
    if not text.startswith('{"packed"'):
        return text
    try:
        packed = base64.b64decode(json.loads(text)["packed"], validate=True)
        return zlib.decompressobj().decompress(packed, _MAX_UNPACKED)
    except (ValueError, TypeError, zlib.error):
        return text  # no write: told as that


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
