"""A host that Systems Manager refuses a command for costs no other host its scan."""

from __future__ import annotations

from typing import Any

import pytest

from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import FailureKind
from discovery.run.runner import start_run
from discovery.settings import Settings
from sandbox import Sandbox
from simulation.aws import SimulatedAws
from simulation.clock import VirtualClock
from simulation.runs import run_once, settings_for
from tests.support.empty_tables import empty_tables
from tests.support.hosts import hosts_of, request_for
from tests.support.world import CLEAN


@pytest.mark.parametrize("code", ["InvalidInstanceId", "UnsupportedPlatformType", "InvalidTarget"])
def test_one_bad_host_stands_alone(sandbox: Sandbox, settings: Settings, code: str) -> None:
    """SendCommand refuses one of six with an empty message: five are scanned, and the one has its
    own reason, which is no defect."""
    empty_tables(sandbox)
    hosts = hosts_of(sandbox, 6)
    bad = hosts[3]
    bad.refusal = (code, "")
    try:
        run = start_run(settings, request_for(*hosts), trigger="test")
    finally:
        bad.refusal = None
    assert (run.hosts_scanned, run.hosts_failed) == (len(hosts) - 1, 1)
    assert run.scopes_failed == 0
    (missed,) = RunStore(Aws(settings)).unscanned_hosts(run.run_id)
    assert missed.instance_id == bad.instance_id
    assert missed.error_kind is FailureKind.UNDELIVERABLE
    assert code in str(missed.error)


@pytest.mark.parametrize(
    ("bad", "calls"), [(1, 2 * 6 + 1), (3, 2 * 3 * 6), (50, 2 * 50 + 1)], ids=["one", "some", "all"]
)
def test_it_takes_few_calls_to_find_them(bad: int, calls: int) -> None:
    """Of 50 hosts the bad ones are found by halving: twice log2(50) calls for one, never more than
    a hundred; each of the others is asked once."""
    aws: Any = SimulatedAws(settings_for(1, 1), 50, CLEAN, VirtualClock())
    (ids,) = aws.hosts.values()
    refused = ids[7 :: 50 // bad][:bad] if bad < 50 else ids
    aws.refuses = dict.fromkeys(refused, "InvalidInstanceId")
    run = run_once(aws)
    assert (run.hosts_scanned, run.hosts_failed) == (50 - bad, bad)
    assert aws.counts["ssm:SendCommand"] <= calls
    assert {instance: aws.sent[instance] for instance in ids} == {
        instance: int(instance not in refused) for instance in ids
    }


def test_an_output_bucket_that_is_not_there_costs_long_reports_only(
    sandbox: Sandbox, settings: Settings
) -> None:
    """Whether SendCommand takes such a bucket or refuses it, short reports arrive; a long one is
    told as cut short, which is no defect."""
    empty_tables(sandbox)
    short, long = hosts_of(sandbox, 2)
    settings = settings.model_copy(update={"output_bucket": "no-such-bucket"})
    long.output = '{"schema": 1, "host": {"os": "' + "x" * 60_000
    try:
        for refusal in (False, True):
            if refusal:
                sandbox.fail_next("ssm:SendCommand", "InvalidOutputFolder")
            else:  # the runner's role may not read a bucket of another name
                runner = sandbox.estate.management_account
                sandbox.fail_next("s3:GetObject", "NoSuchBucket", account=runner)
            run = start_run(settings, request_for(short, long), trigger="test")
            assert (run.hosts_scanned, run.hosts_failed) == (1, 1)
            (missed,) = RunStore(Aws(settings)).unscanned_hosts(run.run_id)
            assert missed.instance_id == long.instance_id
            assert missed.error_kind is FailureKind.OUTPUT_TRUNCATED
    finally:
        long.output = None
