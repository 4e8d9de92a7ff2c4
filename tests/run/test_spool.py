"""What DynamoDB does not take is kept, and comes in later: in any order, twice, without harm."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.cli import main
from discovery.cli.scan import exit_code
from discovery.errors import FailureKind
from discovery.model import Coverage, DatabaseStatus, HostReport, RunRequest
from discovery.run.runner import start_run
from discovery.run.spool import MAX_MESSAGE, Spool
from discovery.run.writes import WRITE, HostObservation, WriteApplier
from discovery.settings import Settings, load_settings
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables
from tests.support.results import EARLIER, LATER, an_observation, dump


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
    run = start_run(settings, request, trigger="test")
    aws = Aws(settings)
    assert (run.hosts_scanned, run.hosts_failed, run.kept, exit_code(run)) == (0, 1, 1, 3)
    assert list(Inventory(aws).all_records()) == []
    (failed,) = RunStore(aws).unscanned_hosts(run.run_id)
    assert "kept for replay in" in (failed.error or "")

    done = CliRunner().invoke(main, ["replay"])
    assert (done.exit_code, done.output) == (0, "1 stored, 0 kept\n")
    assert [one.run_id for one in Inventory(aws).all_records() if one.is_database]
    (host,) = RunStore(aws).host_records([chosen[0].account_id])
    assert host.coverage is Coverage.SCANNED
    assert RunStore(aws).unscanned_hosts(run.run_id) == []
    assert CliRunner().invoke(main, ["replay"]).output == "0 stored, 0 kept\n"


def test_what_cannot_be_stored_is_kept(sandbox: Sandbox, settings: Settings) -> None:
    """A replay that fails leaves the result where it is, names it and exits with 3."""
    spool = Spool(Aws(settings))
    where = spool.keep(an_observation(LATER))
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
    assert Spool(aws).replay(WriteApplier(aws)).written == 0


@pytest.mark.parametrize("failed", [EARLIER, LATER])
@pytest.mark.parametrize("order", [(EARLIER, LATER), (LATER, EARLIER)])
def test_order_and_repetition_do_not_matter(
    settings: Settings, order: tuple[str, str], failed: str
) -> None:
    """A failed look and a good one end in the same table, whichever is replayed first: the database
    is there, and the host's coverage is the later look's."""
    aws = Aws(settings)
    results = {
        run_id: an_observation(run_id, failed=run_id == failed) for run_id in (EARLIER, LATER)
    }
    spool = Spool(aws)
    for run_id in (*order, *order):
        spool.keep(results[run_id])
        assert spool.replay(WriteApplier(aws)).problems == ()
    found = [one.db_id for one in Inventory(aws).all_records()]
    assert found == (["mysql-3306"] if failed == EARLIER else ["mysql-3306", "none"])
    (host,) = RunStore(aws).host_records(["111111111111"])
    coverage = Coverage.SCANNED if failed == EARLIER else Coverage.FAILED
    assert (host.coverage, host.run_id) == (coverage, LATER)
    before = dump(aws)
    spool.keep(results[EARLIER])
    spool.replay(WriteApplier(aws))
    assert dump(aws) == before


def test_a_replay_that_meets_no_dynamodb_ends_at_once(sandbox: Sandbox, settings: Settings) -> None:
    """While DynamoDB does not answer, the first entry is tried and no other; all are kept."""
    spool = Spool(Aws(settings))
    for run_id in (EARLIER, LATER):
        spool.keep(an_observation(run_id))
    sandbox.fail_next("dynamodb:Query", "InternalServerError", 8)
    aws = Aws(settings)
    done = spool.replay(WriteApplier(aws))
    assert done.written == 0
    assert "what else is kept was not tried" in done.problems[-1]
    assert aws.calls.usage().calls == {"dynamodb:Query": 8}
    assert spool.replay(WriteApplier(aws)).written == 2


def test_lambda_keeps_results_in_a_queue(sandbox: Sandbox, settings: Settings) -> None:
    """With DISCOVERY_DLQ_URL results go to that queue, under the shipped policy, and come back."""
    queue = sandbox.client("sqs").create_queue(QueueName="DBDiscoveryUnwritten")["QueueUrl"]
    aws = Aws(settings.model_copy(update={"dead_letter_queue": queue}))
    spool = Spool(aws)
    assert spool.keep(an_observation(LATER)) == queue
    assert not settings.spool_folder.exists()
    assert spool.replay(WriteApplier(aws)).written == 1
    assert [one.db_id for one in Inventory(aws).all_records()] == ["mysql-3306"]
    assert spool.replay(WriteApplier(aws)).written == 0


def test_a_queue_that_refuses_leaves_the_folder(sandbox: Sandbox, settings: Settings) -> None:
    """A queue that cannot be used costs no result: the folder takes it."""
    url = f"{sandbox.url}/{sandbox.estate.management_account}/somewhere-else"
    aws = Aws(settings.model_copy(update={"dead_letter_queue": url}))
    assert Path(Spool(aws).keep(an_observation(LATER))).parent == settings.spool_folder


def enlarged(run_id: str, databases: int, characters: int) -> HostObservation:
    """What a run saw of a host of many databases, each with so much that packing does not help."""
    chance = random.Random(4)  # noqa: S311 - the same each time
    observation = an_observation(run_id)
    assert isinstance(observation.result, HostReport)
    (one,) = observation.result.databases
    many = tuple(
        replace(
            one,
            db_id=f"mysql-{port}",
            port=port,
            image="x" * 300,
            edition=base64.b64encode(chance.randbytes(characters * 3 // 4)).decode(),
        )
        for port in range(3306, 3306 + databases)
    )
    return replace(observation, result=replace(observation.result, databases=many))


def test_a_result_that_dynamodb_never_takes_ends_as_a_failure(settings: Settings) -> None:
    """An entry of a database beyond 400 KB is stored as a failure of its host that says so, once;
    the spool is empty then, and what was known of the host stays."""
    aws = Aws(settings)
    spool = Spool(aws)
    spool.keep(an_observation(EARLIER))
    assert spool.replay(WriteApplier(aws)).written == 1
    spool.keep(enlarged(LATER, 1, 500_000))
    done = CliRunner().invoke(main, ["replay"])
    assert (done.exit_code, done.stdout) == (0, "1 stored, 0 kept\n")
    assert "more than an item of DynamoDB takes" in done.stderr
    assert CliRunner().invoke(main, ["replay"]).output == "0 stored, 0 kept\n"
    (host,) = RunStore(aws).host_records([an_observation(LATER).host.account_id])
    assert (host.coverage, host.error_kind) == (Coverage.FAILED, FailureKind.STORE_FAILED)
    assert "more than an item" in str(host.error)
    found = {record.db_id: record.status for record in Inventory(aws).all_records()}
    assert found["mysql-3306"] is DatabaseStatus.RUNNING


@pytest.mark.parametrize(
    ("databases", "characters", "coverage"),
    [(1, 20, Coverage.SCANNED), (450, 0, Coverage.SCANNED), (450, 1_000, Coverage.FAILED)],
    ids=["small", "packed", "too large"],
)
def test_a_queue_takes_a_result_of_any_size(
    sandbox: Sandbox, settings: Settings, databases: int, characters: int, coverage: Coverage
) -> None:
    """A result that fits a message when packed comes through whole; one that does not is a failure
    of its host that says so. Nothing is refused by the queue and lost with the process."""
    url = sandbox.client("sqs").create_queue(QueueName="DBDiscoveryUnwritten")["QueueUrl"]
    aws = Aws(settings.model_copy(update={"dead_letter_queue": url}))
    write = enlarged(LATER, databases, characters)
    assert (len(WRITE.dump_json(write)) > MAX_MESSAGE) == (databases > 1)
    assert Spool(aws).keep(write) == url
    assert Spool(aws).replay(WriteApplier(aws)).written == 1
    (host,) = RunStore(aws).host_records([write.host.account_id])
    assert host.coverage is coverage
    stored = [record for record in Inventory(aws).all_records() if record.is_database]
    assert len(stored) == (databases if coverage is Coverage.SCANNED else 0)
    assert (host.error or "").endswith("takes") == (coverage is Coverage.FAILED)
