"""What a run cost is what AWS received and charged, whoever in the run asked for it."""

from __future__ import annotations

from collections import Counter

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.usage import CallCounter
from discovery.model import RunRecord, RunStatus
from discovery.run import start_run
from discovery.settings import Settings
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables
from tests.support.hosts import hosts_of, request_for

_AFTER_THE_RECORD = Counter({"dynamodb:UpdateItem": 2})
"""Writing the record for the last time, and giving the lease back."""


@pytest.fixture(autouse=True)
def _empty(sandbox: Sandbox) -> None:
    """Every test starts with empty tables."""
    empty_tables(sandbox)


def scan_one(sandbox: Sandbox, settings: Settings) -> RunRecord:
    """One finished run of one host."""
    return start_run(settings, request_for(*hosts_of(sandbox, 1)), trigger="test")


def test_every_request_is_on_the_record(sandbox: Sandbox, settings: Settings) -> None:
    """What AWS received in a run, the heartbeat's writes among it, is what the record counts."""
    before = sandbox.calls.copy()
    run = scan_one(sandbox, settings)
    received = sandbox.calls - before
    ours = {api: count for api, count in received.items() if not api.startswith(("s3:", "ec2mess"))}
    assert ours == Counter(run.api_calls) + _AFTER_THE_RECORD
    assert run.api_calls["dynamodb:UpdateItem"] >= 1, "only the heartbeat updates before the end"
    assert (run.throttled_calls, run.retries) == ({}, 0)
    assert RunStore(Aws(settings)).run(run.run_id) == run


def test_throttled_requests_are_counted_by_api(sandbox: Sandbox, settings: Settings) -> None:
    """Each request that was refused as too fast counts, though the call succeeded in the end; a
    server error is a retry and no throttle."""
    account = hosts_of(sandbox, 1)[0].account_id
    sandbox.fail_next("ssm:SendCommand", "ThrottlingException", 2, account=account)
    sandbox.fail_next("dynamodb:TransactWriteItems", "ProvisionedThroughputExceededException", 1)
    sandbox.fail_next("dynamodb:PutItem", "InternalServerError", 1)
    run = scan_one(sandbox, settings)
    assert run.status is RunStatus.SUCCEEDED
    assert run.throttled_calls == {"ssm:SendCommand": 2, "dynamodb:TransactWriteItems": 1}
    assert run.retries == 4
    assert run.api_calls["ssm:SendCommand"] == 3


def test_the_last_attempt_of_a_failed_call_is_counted(sandbox: Sandbox, settings: Settings) -> None:
    """A call that is throttled until botocore gives up counts each of its attempts."""
    client = boto3.client(
        "ssm", region_name=settings.home_region, config=Config(retries={"total_max_attempts": 2})
    )
    counter = CallCounter()
    counter.watch(client)
    sandbox.fail_next("ssm:DescribeDocument", "ThrottlingException", 2)
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.describe_document(Name="any")
    usage = counter.usage()
    assert usage.calls == usage.throttled == {"ssm:DescribeDocument": 2}
    assert usage.retries == 1


def test_the_record_tells_units_and_seconds(sandbox: Sandbox, settings: Settings) -> None:
    """A run that stored something has read and written units, and a time to its first host."""
    run = scan_one(sandbox, settings)
    assert run.read_units is not None
    assert run.write_units is not None
    assert run.read_units > 0
    assert run.write_units >= 2 * (run.databases + 1), "each database and the host's coverage"
    assert run.seconds is not None
    assert run.first_scanned_seconds is not None
    assert 0 < run.first_scanned_seconds <= run.seconds
