"""What DynamoDB does not take is kept, and comes in later: in any order, twice, without harm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.store import HostWriter
from discovery.cli import main
from discovery.model import Coverage, RunRequest
from discovery.runner import run_discovery
from discovery.sandbox import Sandbox
from discovery.settings import Settings, load_settings
from discovery.spool import Spool
from tests.store import EARLIER, LATER, a_result, dump
from tests.tables import empty_tables


@pytest.fixture
def settings(
    environment: Mapping[str, str],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Settings:
    """Settings with a folder of the test's own; the tables are empty."""
    empty_tables(sandbox)
    monkeypatch.setenv("DISCOVERY_SPOOL_DIR", str(tmp_path / "spool"))
    return load_settings({**environment, "DISCOVERY_SPOOL_DIR": str(tmp_path / "spool")})


def test_a_run_loses_nothing_when_the_table_refuses(sandbox: Sandbox, settings: Settings) -> None:
    """Each host's result is kept, the run says so, and `replay` stores all of it."""
    chosen = [next(one for one in sandbox.hosts.values() if one.spec.is_scannable)]
    request = RunRequest((chosen[0].account_id,), (chosen[0].region,), (chosen[0].instance_id,))
    sandbox.fail_next("TransactWriteItems", "AccessDeniedException", times=1)
    run = run_discovery(settings, request, trigger="test")
    aws = Aws(settings)
    assert (run.hosts_scanned, run.hosts_failed) == (0, 1)
    assert list(Inventory(aws).all_records()) == []
    (failed,) = RunStore(aws).unscanned_hosts(run.run_id)
    assert "kept for replay in" in (failed.error or "")

    done = CliRunner().invoke(main, ["replay"])
    assert (done.exit_code, done.output) == (0, "1 stored, 0 kept\n")
    assert [one.run_id for one in Inventory(aws).all_records() if one.is_database]
    (host,) = RunStore(aws).host_records([chosen[0].account_id])
    assert host.coverage is Coverage.SCANNED
    assert CliRunner().invoke(main, ["replay"]).output == "0 stored, 0 kept\n"


def test_what_cannot_be_stored_is_kept(sandbox: Sandbox, settings: Settings) -> None:
    """A replay that fails leaves the result where it is, names it and exits with 3."""
    spool = Spool(Aws(settings))
    where = spool.keep(a_result(LATER))
    broken = settings.spool_folder / "broken.json"
    broken.write_text('{"run_id": ')
    sandbox.fail_next("TransactWriteItems", "AccessDeniedException", times=1)
    done = CliRunner().invoke(main, ["replay"])
    assert done.exit_code == 3
    assert where in done.stderr and str(broken) in done.stderr
    assert Path(where).exists() and broken.exists()


def test_a_half_written_file_is_no_result(settings: Settings) -> None:
    """What a crash leaves of a file that was being written is not taken for a result."""
    settings.spool_folder.mkdir(parents=True)
    (settings.spool_folder / "half.tmp").write_text('{"run_id": ')
    aws = Aws(settings)
    assert Spool(aws).replay(HostWriter(aws)).written == 0


@pytest.mark.parametrize("order", [(EARLIER, LATER), (LATER, EARLIER)])
def test_order_and_repetition_do_not_matter(settings: Settings, order: tuple[str, str]) -> None:
    """A failed look and a later good one end in the same table, whichever is replayed first."""
    aws = Aws(settings)
    results = {
        EARLIER: a_result(EARLIER, failed=True),
        LATER: a_result(LATER),
    }
    spool = Spool(aws)
    for run_id in (*order, *order):
        spool.keep(results[run_id])
        assert spool.replay(HostWriter(aws)).problems == ()
    assert [one.db_id for one in Inventory(aws).all_records()] == ["mysql-3306"]
    (host,) = RunStore(aws).host_records(["111111111111"])
    assert (host.coverage, host.run_id) == (Coverage.SCANNED, LATER)
    before = dump(aws)
    spool.keep(results[EARLIER])
    spool.replay(HostWriter(aws))
    assert dump(aws) == before


def test_lambda_keeps_results_in_a_queue(sandbox: Sandbox, settings: Settings) -> None:
    """With DISCOVERY_DLQ_URL results go to that queue, under the shipped policy, and come back."""
    queue = sandbox.client("sqs").create_queue(QueueName="DBDiscoveryUnwritten")["QueueUrl"]
    aws = Aws(settings.model_copy(update={"dead_letter_queue": queue}))
    spool = Spool(aws)
    assert spool.keep(a_result(LATER)) == queue
    assert not settings.spool_folder.exists()
    assert spool.replay(HostWriter(aws)).written == 1
    assert [one.db_id for one in Inventory(aws).all_records()] == ["mysql-3306"]
    assert spool.replay(HostWriter(aws)).written == 0


def test_a_queue_that_refuses_leaves_the_folder(sandbox: Sandbox, settings: Settings) -> None:
    """A queue that cannot be used costs no result: the folder takes it."""
    url = f"{sandbox.url}/{sandbox.estate.management_account}/somewhere-else"
    aws = Aws(settings.model_copy(update={"dead_letter_queue": url}))
    assert Path(Spool(aws).keep(a_result(LATER))).parent == settings.spool_folder
