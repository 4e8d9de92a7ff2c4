"""One snapshot of the tables, read again only when something has changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from discovery.aws.host_writer import HostWriter
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.model import RunStatus
from discovery.settings import Settings
from discovery.view.snapshot import TableReader
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables
from tests.support.snapshots import NOW, database, host, run, snapshot
from tests.support.stored import store_records


@pytest.fixture
def store(sandbox: Sandbox, settings: Settings) -> RunStore:
    """The runs table with one finished run and one host; one database is in the inventory."""
    empty_tables(sandbox)
    aws = Aws(settings)
    store_records(settings, database())
    runs = RunStore(aws)
    HostWriter(aws).write_coverage([host()])
    runs.create_run(run())
    return runs


def test_a_snapshot_holds_both_tables(store: RunStore, settings: Settings) -> None:
    """The pages see the records, the hosts and the runs, and as of when."""
    read = TableReader(settings).snapshot()
    assert read.records == (database(),)
    assert read.hosts == (host(),)
    assert read.runs == tuple(store.recent_runs())
    assert read.as_of == run().finished_at


@pytest.mark.usefixtures("store")
def test_a_page_view_costs_one_query(sandbox: Sandbox, settings: Settings) -> None:
    """While nothing changes, the tables are not read again: one Query looks for a new run."""
    reader = TableReader(settings)
    first = reader.snapshot()
    before = sandbox.calls.copy()
    assert reader.snapshot() is first
    assert sandbox.calls - before == {"dynamodb:Query": 1}


def test_a_finished_run_brings_a_new_snapshot(store: RunStore, settings: Settings) -> None:
    """As soon as another run has ended, the next page view shows what it found."""
    reader = TableReader(settings)
    first = reader.snapshot()
    later = "20260302T120000Z-000000"
    store_records(settings, database(version="8.0.36", run_id=later))
    store.create_run(run(run_id=later))
    second = reader.snapshot()
    assert second is not first
    assert second.records[0].version == "8.0.36"


def test_a_running_run_does_not_make_every_view_read_everything(
    store: RunStore, settings: Settings
) -> None:
    """While a run goes on, a snapshot a moment old is good enough; its end is shown at once."""
    going_on = run(run_id="20260302T120000Z-000000", status=RunStatus.RUNNING, finished_at=None)
    store.create_run(going_on)
    reader = TableReader(settings)
    first = reader.snapshot()
    store.create_run(replace(going_on, hosts_scanned=46))
    assert reader.snapshot() is first
    store.create_run(replace(going_on, status=RunStatus.SUCCEEDED, finished_at=NOW))
    assert reader.snapshot() is not first


def test_as_of_is_the_newest_result() -> None:
    """A run that stored nothing yet does not make the view look newer than it is."""
    whole = snapshot()
    begun = run(hosts_scanned=0, hosts_failed=0, finished_at=None, heartbeat_at=NOW)
    with_begun = replace(whole, runs=(begun, *whole.runs))
    assert with_begun.as_of == whole.as_of == NOW - timedelta(minutes=4)
