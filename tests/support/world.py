"""A simulated AWS whose hosts change, whose processes die, and whose DynamoDB comes and goes."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any, TypeVar

from botocore.exceptions import ConnectionClosedError

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.errors import AwsError, LeaseLostError, RunInProgressError
from discovery.model import EVERYTHING, DatabaseRecord, RunRecord
from discovery.run.events import Event, ScopeListed
from discovery.run.runner import DiscoveryRun
from discovery.run.spool import Spool
from discovery.run.writes import WRITE, Write, WriteApplier
from simulation.aws import Limits, SimulatedAws
from simulation.clock import VirtualClock, VirtualScheduler
from simulation.runs import settings_for
from simulation.tables import failure

Result = TypeVar("Result")
CLEAN = Limits(throttled=0.0, tail=0.0)
_READS = ("GetItem", "Query")


class CrashError(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Outage:
    """DynamoDB fails from one of a process's calls on, for so many calls, each after `seconds`;
    with `after` it has written all the same, and only its answer is lost. `of`: only calls of this
    operation count."""

    first: int
    calls: int
    error: str
    after: bool = False
    seconds: float = 0.0
    of: str | None = None

    def covers(self, calls: Mapping[str, int], operation: str) -> bool:
        """Whether the newest of `calls`, by operation, fails."""
        if self.of not in (None, operation):
            return False
        at = calls[self.of] if self.of else sum(calls.values())
        return 0 <= at - self.first < self.calls


@dataclass(frozen=True)
class Run:
    """One run and what it meets. Moments are counted in its writes; None is never."""

    limits: Limits = CLEAN
    deadline: float | None = None
    resume: bool = False
    mute: bool = False
    """Its signs of life do not arrive: it does not learn that another run has taken over."""
    crash: int | None = None
    cancel: int | None = None
    outages: tuple[Outage, ...] = ()
    replay: int | None = None
    """Another process replays what is kept."""
    rival: int | None = None
    """Another run begins, while this one stands still for `stall` seconds before."""
    stall: float = 0.0
    rivals: Run | None = None


@dataclass(frozen=True)
class Ended:
    """A run that was not killed. `listed` is what it had to account for."""

    record: RunRecord
    listed: frozenset[tuple[str, str]]
    resumed: str | None


class World(SimulatedAws):
    """Two accounts. `history` holds, of each host, since when it has had which databases."""

    def __init__(self, hosts: int, seed: int) -> None:
        spool = {"dead_letter_queue": "queue", "spool_dir": Path("/dev/null/none")}
        settings = settings_for(2, 3).model_copy(update=spool)
        super().__init__(settings, hosts, CLEAN, VirtualClock(), seed)
        seam: Any = self
        self.chance = random.Random(seed)  # noqa: S311
        self.runs = RunStore(seam)
        self.inventory = Inventory(seam)
        self.history: defaultdict[str, list[tuple[datetime, dict[str, str]]]] = defaultdict(list)
        self.ended: list[Ended] = []
        self.sent_by: dict[str, str] = {}
        """Command -> the run that sent it."""
        self.newest: dict[tuple[str, str], int] = {}
        """The order of the newest run that is known to have written an item, by its keys."""
        self.recorded: set[str] = set()
        """Commands that were put on record, or kept for it: the process may have died before."""
        self._process: _Process | None = None
        for instance in self.instances():
            self.give(instance, {"mysql-3306": "8.0.35"})

    # --- hosts ---

    def instances(self) -> list[str]:
        """The hosts there are."""
        return [instance for ids in self.hosts.values() for instance in ids]

    def truth(self) -> dict[tuple[str, str], str]:
        """(instance, db_id) -> version, of all hosts that there are now."""
        return {
            (instance, db_id): version
            for instance in self.instances()
            for db_id, version in self.history[instance][-1][1].items()
        }

    def change(self) -> None:
        """Hosts appear and vanish; databases appear, are upgraded and removed."""
        for ids in self.hosts.values():
            if self.chance.random() < 0.3 and len(ids) > 1:
                gone = self.chance.choice(ids)
                ids.remove(gone)
                self.history[gone].append((self.clock.now(), {}))
            if self.chance.random() < 0.3:
                ids.append(f"i-{len(self.history):012x}")
                self.give(ids[-1], {"mysql-3306": "8.0.35"})
        for instance in self.instances():
            has = dict(self.history[instance][-1][1])
            what = self.chance.random()
            if what < 0.2:
                has.pop(self.chance.choice(sorted(has)), None) if has else None
            elif what < 0.4:
                has[f"mysql-{self.chance.randrange(3306, 3309)}"] = "8.0.35"
            elif what < 0.5:
                has |= dict.fromkeys(has, "8.4.2")
            self.give(instance, has)

    def give(self, instance: str, databases: dict[str, str]) -> None:
        """From now on the host has these databases, and no others."""
        self.history[instance].append((self.clock.now(), databases))
        self.reports[instance] = _report(databases)

    # --- processes ---

    def spend(self, account_id: str, api: str) -> None:
        """A call to EC2 or Systems Manager; who sends a command is noted."""
        super().spend(account_id, api)
        if api == "ssm:SendCommand" and self._process and self._process.run_id:
            self.sent_by[f"command-{len(self.commands)}"] = self._process.run_id

    def run(self, step: Run) -> RunRecord | None:
        """One process that runs a discovery; its record, None when it died or was refused."""
        resume = self._newest_run() if step.resume else None
        before, self.limits = self.limits, step.limits
        if step.limits.expires < 1e9:
            self.limits = replace(step.limits, expires=self.clock.seconds + step.limits.expires)
        listed: set[tuple[str, str]] = set()

        def watch(event: Event) -> None:
            if isinstance(event, ScopeListed):
                account = event.scope.account_id
                listed.update((account, instance) for instance in self.hosts[account])

        try:
            with self._in_process(step):
                record = self._discover(step, resume, watch)
        except (CrashError, RunInProgressError, LeaseLostError, AwsError):
            return None
        finally:
            self.limits = before
            self._note_newest()
        self.ended.append(Ended(record, frozenset(listed), resume))
        return record

    def _note_newest(self) -> None:
        for key, order in self.writers().items():
            self.newest[key] = max(order, self.newest.get(key, 0))

    def writers(self) -> dict[tuple[str, str], int]:
        """The order of the run that wrote each item that several write, by the item's keys."""
        results = self.table(self.settings.results_table).items
        runs = self.table(self.settings.runs_table).items
        shared = {
            name: items for name, items in runs.items() if name.startswith(("HOSTS", "SCOPE"))
        }
        return {
            (partition, sort): int(item["run_order"])
            for partition, items in (*results.items(), *shared.items())
            for sort, item in items.items()
        }

    def _newest_run(self) -> str | None:
        with self._in_process(Run()):
            return next((run.run_id for run in self.runs.recent_runs(1)), None)

    def _discover(self, step: Run, resume: str | None, watch: Callable[[Event], None]) -> RunRecord:
        seam: Any = self
        run = DiscoveryRun.begin(
            self.settings, EVERYTHING, trigger="test", resume=resume, aws=seam, clock=self.clock
        )
        if self._process:
            self._process.run_id = run.run_id
        deadline = None
        if step.deadline is not None:
            deadline = self.clock.now() + timedelta(seconds=step.deadline)
        flag = Flag()
        schedule = VirtualScheduler(self.clock, self.settings.scope_workers, flag)
        return run.execute(watch, flag, deadline, schedule)

    def replay(self) -> None:
        """One process that replays what is kept, some of it twice."""
        seam: Any = self
        if self.chance.random() < 0.5:
            for at, (body, _) in enumerate(list(self.queue.values())):
                self.queue[f"again-{self.clock.seconds}-{at}"] = (body, 0.0)
        order = list(self.queue.items())
        self.chance.shuffle(order)
        self.queue = {name: (body, 0.0) for name, (body, _) in order}
        with self._in_process(Run()):
            done = Spool(seam).replay(WriteApplier(seam, sleep=self.clock.sleep))
        assert done.problems == ()

    def cancel(self, run_id: str | None) -> None:
        """One process that asks for the end of a run, if it is on record."""
        with self._in_process(Run()):
            if run_id and self.runs.run(run_id):
                self.runs.request_cancel(run_id)

    @contextmanager
    def _in_process(self, step: Run) -> Iterator[None]:
        """What the body does, a process of its own does; the one around it stands still."""
        before, self._process = self._process, _Process(self, step)
        try:
            yield
        finally:
            self._process = before

    def store(self, operation: str, apply: Callable[[], Result]) -> Result:
        """A call to DynamoDB or to the queue meets what its process is to meet."""
        if self._process is None:
            return apply()
        try:
            return self._process.call(operation, apply)
        finally:
            if operation in ("PutItem", "SendMessage"):
                self._note_recorded(f"command-{len(self.commands) - 1}")

    def _note_recorded(self, command_id: str) -> None:
        stored = self.table(self.settings.runs_table).items[f"RUN#{self.sent_by.get(command_id)}"]
        kept = (body for body, _ in self.queue.values())
        if any(key.endswith(f"#{command_id}") for key in stored) or any(
            f'"{command_id}"' in body for body in kept
        ):
            self.recorded.add(command_id)

    # --- what is known ---

    def records(self) -> dict[tuple[str, str], DatabaseRecord]:
        """(instance, db_id) -> its record, of all databases."""
        return {
            (record.instance_id, record.db_id): record
            for account in self.settings.accounts
            for record in self.inventory.account_records(account)
            if record.is_database
        }

    def had(self, instance: str, db_id: str, since: datetime, until: datetime) -> set[bool]:
        """Whether the host had the database at any, and at every, moment between the two."""
        states = self.history[instance]
        ends = [begun for begun, _ in states[1:]] + [datetime.max.replace(tzinfo=until.tzinfo)]
        return {
            db_id in databases
            for (begun, databases), end in zip(states, ends, strict=True)
            if begun <= until and end >= since
        }

    def kept(self) -> list[Write]:
        """What waits to be replayed."""
        return [WRITE.validate_json(body) for body, _ in self.queue.values()]


class _Process:
    """Counts the calls of one process and lets happen what the step says."""

    def __init__(self, world: World, step: Run) -> None:
        self._world = world
        self._step = step
        self._calls: Counter[str] = Counter()
        self._writes = 0
        self._dead = False
        self.run_id: str | None = None

    def call(self, operation: str, apply: Callable[[], Result]) -> Result:
        if self._dead:
            raise CrashError
        if operation not in _READS:
            self._before_write()
        if operation in ("SendMessage", "DeleteMessage"):
            return apply()
        self._calls[operation] += 1
        if operation == "UpdateItem" and self._step.mute and self.run_id:
            raise failure("ThrottlingException", operation)
        outages = (one for one in self._step.outages if one.covers(self._calls, operation))
        outage = next(outages, None)
        if outage is None:
            return apply()
        self._world.clock.sleep(outage.seconds)
        if outage.after:
            apply()
        if outage.error == "reset":
            raise ConnectionClosedError(endpoint_url="dynamodb")
        raise failure(outage.error, operation, 500 if outage.error == "Internal" else 400)

    def _before_write(self) -> None:
        step, world = self._step, self._world
        moment, self._writes = self._writes, self._writes + 1
        if moment == step.crash:
            self._dead = True
            raise CrashError
        if moment == step.replay:
            world.replay()
        if moment == step.cancel:
            world.cancel(self.run_id)
        if moment == step.rival and step.rivals:
            world.clock.seconds += step.stall  # it stands still: no sign of life
            world.run(step.rivals)


def _report(databases: Mapping[str, str]) -> str:
    return json.dumps(
        {
            "schema": 1,
            "probe": "1.0.0",
            "host": {"hostname": "h"},
            "databases": [
                {"db_id": db_id, "engine": "mysql", "version": version, "status": "running"}
                for db_id, version in databases.items()
            ],
            "warnings": [],
            "complete": True,
            "count": len(databases),
            "end": True,
        }
    )
