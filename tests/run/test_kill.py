"""`kill -9` of a real scan, at moments nobody chose, against a durable DynamoDB: the table is whole
at each of them, the lease lapses, and `--resume` completes the run without asking a host twice.

`KILLS=20 pytest tests/run/test_kill.py` kills so often.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from discovery.artefacts import ROOT
from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.model import Coverage, DatabaseRecord, DatabaseStatus, RunStatus
from discovery.settings import load_settings
from sandbox import Sandbox
from tests.support.dynamodb_local import DynamoDbLocal
from tests.support.effort import cases

pytestmark = pytest.mark.kill

_log = logging.getLogger(__name__)

ACCOUNT = "320000000001"
"""Two regions, thirteen hosts, none with more databases than one transaction of DynamoDB Local
holds (10 actions), and no tag without a value, which that engine refuses."""

KILLS = int(os.environ.get("KILLS", "0")) or cases(20)
SEED = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
LEASE_SECONDS = 2
LONGEST_SCAN_SECONDS = 120


@pytest.fixture
def world(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Mapping[str, str], Aws]]:
    """The environment of the scans: DynamoDB is the durable engine, the rest is the sandbox."""
    with DynamoDbLocal(tmp_path) as engine:
        exports = {
            **sandbox.environment,
            "AWS_ENDPOINT_URL_DYNAMODB": engine.url,
            "DISCOVERY_LEASE_SECONDS": str(LEASE_SECONDS),
            "DISCOVERY_SPOOL_DIR": str(tmp_path / "spool"),
        }
        for name, value in exports.items():
            monkeypatch.setenv(name, value)
        settings = load_settings(exports)
        engine.create_tables(settings)
        yield {**os.environ, **exports}, Aws(settings)


def test_a_killed_scan_leaves_a_whole_table(
    sandbox: Sandbox, world: tuple[Mapping[str, str], Aws]
) -> None:
    """After every kill each record is valid, none known before is lost or falsely gone, no host is
    half written. Once the lease has lapsed, `scan --resume` finds all; it collects what was in
    flight at the kill and sends no command to those hosts again."""
    environment, aws = world
    chance = random.Random(SEED)  # noqa: S311
    _log.warning("KILL_SEED=%s", SEED)  # pytest shows it when the test fails
    started = time.monotonic()
    _finish(_start(environment))
    seconds = time.monotonic() - started
    truth = _databases(aws)
    assert truth
    _forget_half(aws, truth, chance)
    kills = abandoned = 0
    while kills < KILLS or not abandoned:  # a kill may come before the run has begun
        kills += 1
        assert kills <= KILLS + 20, "no kill has hit a running scan"
        before = _databases(aws)
        killed = _kill_during_scan(environment, aws, chance, seconds)
        after = _databases(aws)
        assert before.keys() <= after.keys() <= truth.keys()
        assert [key for key in after if after[key].status is DatabaseStatus.GONE] == []
        _assert_no_half_host(aws)
        if not killed:
            continue
        left = RunStore(aws).recent_runs(1)[0]
        if left.status is RunStatus.RUNNING:
            abandoned += 1
            _resume(sandbox, environment, aws, left.run_id)
            assert _databases(aws).keys() == truth.keys()
            _assert_no_half_host(aws)
        _forget_half(aws, truth, chance)
    _wait_for_lease()
    _finish(_start(environment))
    assert _databases(aws).keys() == truth.keys()
    _assert_no_half_host(aws)
    statuses = [run.status for run in RunStore(aws).recent_runs(2 * kills + 2)]
    assert RunStatus.RUNNING not in statuses
    assert statuses.count(RunStatus.ABANDONED) == abandoned


def _resume(sandbox: Sandbox, environment: Mapping[str, str], aws: Aws, run_id: str) -> None:
    """Complete a killed run; the hosts that it left in flight are not sent to again."""
    failed = {
        host.instance_id
        for host in RunStore(aws).host_records([ACCOUNT])
        if host.coverage is Coverage.FAILED
    }
    outstanding = RunStore(aws).outstanding(run_id)
    in_flight = {id_ for command in outstanding for id_ in command.instance_ids} - failed
    before = _commands(sandbox)
    _wait_for_lease()
    _finish(_start(environment, "--resume", run_id))
    sent = [id_ for name, ids in _commands(sandbox).items() if name not in before for id_ in ids]
    assert in_flight.isdisjoint(sent)
    assert len(sent) == len(set(sent))
    stored = RunStore(aws).run(run_id)
    assert stored and stored.status is RunStatus.ABANDONED
    assert RunStore(aws).outstanding(run_id) == []
    _log.warning("resumed %s: %d in flight, %d sent", run_id, len(in_flight), len(sent))


def _commands(sandbox: Sandbox) -> dict[str, list[str]]:
    """Every command that the account's hosts were ever sent, and its hosts."""
    return {
        command["CommandId"]: command["InstanceIds"]
        for region in sandbox.estate.regions
        for page in sandbox.client("ssm", ACCOUNT, region).get_paginator("list_commands").paginate()
        for command in page["Commands"]
    }


def _start(environment: Mapping[str, str], *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "discovery", "scan", *(options or ("--account", ACCOUNT))],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(scan: subprocess.Popen[str]) -> None:
    output, errors = scan.communicate(timeout=LONGEST_SCAN_SECONDS)
    assert scan.returncode == 0, output + errors


def _kill_during_scan(
    environment: Mapping[str, str], aws: Aws, chance: random.Random, seconds: float
) -> bool:
    """Kill a scan at any time, or, every other time, when it has stored some hosts: that is where
    the writes are. Whether it was killed before it was done."""
    _wait_for_lease()
    scan = _start(environment)
    if chance.random() < 0.5:
        limit, stored = chance.uniform(0.1, 1.0) * seconds, 1000
    else:
        limit, stored = seconds * 2, chance.randrange(1, 10)
    newest = max(run.run_id for run in RunStore(aws).recent_runs(1))
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and scan.poll() is None:
        hosts = RunStore(aws).host_records([ACCOUNT])
        if sum(host.run_id > newest for host in hosts) >= stored:
            break
        time.sleep(0.002)
    scan.kill()
    scan.communicate()
    return scan.returncode < 0


def _wait_for_lease() -> None:
    """A dead scan's lease lapses by itself."""
    time.sleep(LEASE_SECONDS + 0.1)


def _databases(aws: Aws) -> dict[tuple[str, str], DatabaseRecord]:
    """Every database; reading raises when one is not valid."""
    return {one.key: one for one in Inventory(aws).all_records() if one.is_database}


def _forget_half(
    aws: Aws, known: Mapping[tuple[str, str], DatabaseRecord], chance: random.Random
) -> None:
    """Take some hosts out of the table, so that the next scan finds databases anew."""
    instances = sorted({record.instance_id for record in known.values()})
    forgotten = set(chance.sample(instances, len(instances) // 2))
    table = aws.table(aws.settings.results_table)
    for account, sort_key in known:
        if sort_key.partition("#")[0] in forgotten:
            table.delete_item(Key={"account_id": account, "instance_db_id": sort_key})
    runs = aws.table(aws.settings.runs_table)
    for host in list(RunStore(aws).host_records([ACCOUNT])):
        if host.instance_id in forgotten:
            runs.delete_item(
                Key={"pk": f"HOSTS#{ACCOUNT}", "sk": f"{host.region}#{host.instance_id}"}
            )


def _assert_no_half_host(aws: Aws) -> None:
    """A host whose coverage says "scanned by run R, n databases" has n databases of run R, and no
    record of a later run than its coverage."""
    records = _databases(aws).values()
    for host in RunStore(aws).host_records([ACCOUNT]):
        of_host = [one for one in records if one.instance_id == host.instance_id]
        assert all(one.run_id <= host.run_id for one in of_host), host
        if host.coverage is Coverage.SCANNED:
            found = [one.db_id for one in of_host if one.run_id == host.run_id]
            assert len(found) == host.databases, (host, found)
    covered = {host.instance_id for host in RunStore(aws).host_records([ACCOUNT])}
    assert {one.instance_id for one in records} <= covered
