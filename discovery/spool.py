"""Results that DynamoDB did not take, kept until `python -m discovery replay` brings them in.

They are files, one a result, in `settings.spool_folder`; in Lambda, whose files are lost, messages
of the SQS queue `DISCOVERY_DLQ_URL`. Replaying is harmless in any order and any number of times:
the writer lets no older run overwrite a newer one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from discovery.aws.calls import aws_errors
from discovery.aws.session import Aws
from discovery.aws.store import HostResult, HostWriter
from discovery.errors import AwsError
from discovery.model import NO_DATABASE, Coverage, DatabaseStatus

_log = logging.getLogger(__name__)
_RESULT = TypeAdapter(HostResult)
_MESSAGES_A_CALL = 10
_HIDDEN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. `problems` names each result that stays where it is, and why."""

    written: int
    problems: tuple[str, ...]


class FolderSpool:
    """One file a result: complete and on disk, or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, result: HostResult) -> str:
        """Keep `result` and say where. Raises OSError when the disk does not take it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{result.run_id}-{result.host.instance_id}-{uuid4().hex[:8]}"
        unfinished, path = self._folder / f"{name}.tmp", self._folder / f"{name}.json"
        with unfinished.open("xb") as file:
            file.write(_RESULT.dump_json(result))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        _sync_folder(self._folder)
        return str(path)

    def files(self) -> list[Path]:
        """The results that are kept, the oldest run's first."""
        return sorted(self._folder.glob("*.json"))


class QueueSpool:
    """An SQS queue. A message is gone only when what it holds is stored."""

    def __init__(self, aws: Aws, url: str) -> None:
        self._client = aws.home("sqs")
        self._url = url

    def keep(self, result: HostResult) -> str:
        """Keep `result` and say where. Raises AwsError."""
        with aws_errors():
            self._client.send_message(
                QueueUrl=self._url, MessageBody=_RESULT.dump_json(result).decode()
            )
        return self._url

    def messages(self) -> Iterator[tuple[str, str]]:
        """(receipt, text) of each message, once; those not deleted come back minutes later."""
        while True:
            with aws_errors():
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_MESSAGES_A_CALL,
                    VisibilityTimeout=_HIDDEN_SECONDS,
                )
            if not answer.get("Messages"):
                return
            for message in answer["Messages"]:
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

    def keep(self, result: HostResult) -> str:
        """Keep `result` and say where; the folder takes what the queue refuses. Raises OSError."""
        if self._queue:
            try:
                return self._queue.keep(result)
            except AwsError as error:
                _log.warning("the queue refused a result, the folder takes it: %s", error)
        return self._folder.keep(result)

    def replay(self, writer: HostWriter) -> Replayed:
        """Write everything that is kept; what is written is removed from here.

        Raises AwsError when the queue cannot be read.
        """
        written = 0
        problems: list[str] = []
        for path in self._folder.files():
            problem = _bring_in(writer, path.read_text(encoding="utf-8"))
            if problem:
                problems.append(f"{path}: {problem}")
            else:
                path.unlink(missing_ok=True)
                written += 1
        for receipt, text in self._queue.messages() if self._queue else ():
            problem = _bring_in(writer, text)
            if problem:
                problems.append(f"message in the queue: {problem}")
            elif self._queue:
                self._queue.delete(receipt)
                written += 1
        return Replayed(written, tuple(problems))


def _bring_in(writer: HostWriter, text: str) -> str | None:
    """Write one kept result; why that was not possible, or None."""
    try:
        writer.write(_without_placeholder(_RESULT.validate_json(text)))
    except ValidationError as error:
        return f"not a result of this product: {error.errors()[0]['msg']}"
    except AwsError as error:
        return str(error)
    return None


def _without_placeholder(result: HostResult) -> HostResult:
    """A scan that found databases also removes the host's placeholder. The run that kept this
    result may not have known of one: an older result that brings one may come later or before."""
    live = [
        record
        for record in result.changes.puts
        if record.is_database and record.status is not DatabaseStatus.GONE
    ]
    if result.host.coverage is not Coverage.SCANNED or not live or result.changes.deletes:
        return result
    placeholder = replace(live[0], db_id=NO_DATABASE)
    return replace(result, changes=replace(result.changes, deletes=(placeholder,)))


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
