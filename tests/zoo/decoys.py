"""Processes and files that look like servers and are none, one row each.

`{here}` is a folder of the decoys under /tmp that another user owns. What must never be run again
writes a line into `{here}/ran` when it is: each of those is started once by this module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_STAY = "import time; time.sleep(600)"
_SLEEP = "exec sleep 600"
_READ = ("tail", "-f")
_PYTHON = (sys.executable, "-IS")

COMMANDS: dict[str, tuple[str, ...]] = {
    "an editor open on mysqld.c": (*_READ, "{here}/mysqld.c"),
    "python mysqld.py": (*_PYTHON, "{here}/mysqld.py"),
    "python postgres": (*_PYTHON, "{here}/postgres.py", "-D", "/var/lib/postgresql/15/main"),
    "grep postgres": ("grep", "postgres", "{here}/pipe"),
    "tail of a server's log": (*_READ, "{here}/postgresql.log"),
    "a shell that names redis-server": ("sh", "-c", ": redis-server; sleep 600 & wait"),
    "a shell script named mongod": ("sh", "{here}/mongod", "--dbpath", "/data/db"),
    "watch of pgrep mariadbd": ("sh", "-c", ": watch pgrep mariadbd; sleep 600 & wait"),
    "java with elasticsearch in an argument": (
        "{here}/java", "-Dname=elasticsearch", "-jar", "/opt/app/elasticsearch-client.jar", "600",
    ),
    "java with cassandra in an argument": (
        "{here}/java", "-cp", "/opt/app/cassandra-driver.jar", "com.example.Cassandra", "600",
    ),
    "java that talks to neo4j": ("{here}/java", "-cp", "neo4j-java-driver.jar", "App", "600"),
    "docker-proxy": (
        "{here}/docker-proxy", "-proto", "tcp", "-host-port", "3306", "-container-port", "3306",
    ),
    "mysqld_exporter": ("{here}/mysqld_exporter", "--mysqld.address=localhost:3306"),
    "postgres_exporter": ("{here}/postgres_exporter", "--web.listen-address=:9187"),
    "redis_exporter": ("{here}/redis_exporter", "-redis.addr", "redis://localhost:6379"),
    "mongodb_exporter": ("{here}/mongodb_exporter",),
    "mysqld_safe": ("{here}/mysqld_safe", "--datadir=/var/lib/mysql"),
    "pg_ctl": ("{here}/pg_ctl", "-D", "/var/lib/postgresql/15/main", "start"),
    "psql": ("{here}/psql", "-h", "db", "-p", "5432"),
    "mysqldump": ("{here}/mysqldump", "--all-databases"),
    "redis-cli": ("{here}/redis-cli", "-p", "6379", "monitor"),
    "redis-sentinel-watch": ("{here}/redis-sentinel-watch",),
    "etcdctl": ("{here}/etcdctl", "watch", "/"),
    "influx": ("{here}/influx", "-host", "localhost"),
    "clickhouse-client": ("{here}/clickhouse-client", "--port", "9000"),
    "pgbouncer": ("{here}/pgbouncer", "/etc/pgbouncer/pgbouncer.ini"),
    "a process that calls itself a worker": ("{here}/renamed", "postgres: checkpointer"),
    "an attacker's mysqld": ("{here}/mysqld", "--datadir={here}/data"),
    "an attacker's postgres": ("{here}/bin/postgres", "-D", "{here}/data"),
    "an attacker's redis-server": ("{here}/redis-server", "--port", "6379"),
    "an attacker's mongod": ("{here}/bin/mongod", "--dbpath", "{here}/data"),
    "an attacker's memcached": ("{here}/memcached", "-p", "11211"),
    "an attacker's etcd": ("{here}/etcd", "--data-dir", "{here}/data"),
    "an attacker's influxd": ("{here}/influxd",),
    "an attacker's clickhouse-server": ("{here}/clickhouse-server",),
    "an attacker's firebird": ("{here}/firebird",),
}  # fmt: skip

# Programs here are copies of an interpreter that only waits; an attacker's also leaves its mark
# whenever it is started. They keep the names of their rows.
_WAITER = """#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
    FILE *mark = fopen("%s/ran", "a");
    if (mark) { fprintf(mark, "%%s\\n", argv[0]); fclose(mark); }
    puts("8.0.99");
    fflush(stdout);
    for (;;) pause();
}
"""


def _lay_out(folder: Path) -> None:
    """The files the rows name."""
    (folder / "bin").mkdir()
    (folder / "data").mkdir()
    for name in ("mysqld.c", "postgresql.log"):
        (folder / name).write_text("int main() { return 0; } /* mysqld 8.0.35 */\n")
    for name in ("mysqld.py", "postgres.py"):
        (folder / name).write_text(_STAY + "\n")
    (folder / "data" / "PG_VERSION").write_text("15\n")
    (folder / "data" / "ibdata1").write_bytes(bytes(4096))
    # A script of a server's name: started by its interpreter, and executable for whoever would.
    script = folder / "mongod"
    script.write_text(f'#!/bin/sh\necho "$0" >> {folder}/ran\n{_SLEEP}\n')
    script.chmod(0o755)
    os.mkfifo(folder / "pipe")


def _programs(folder: Path) -> None:
    """A waiting program for each row that starts one of the folder."""
    for command in COMMANDS.values():
        program = Path(command[0].format(here=folder))
        if folder in program.parents and not program.exists():
            if program.name == "docker-proxy" or "_exporter" in program.name:
                shutil.copy("/bin/sleep", program)  # a program that is not what it is named
            else:
                shutil.copy(folder / "waiter", program)


def _compile(folder: Path) -> None:
    source = folder / "waiter.c"
    source.write_text(_WAITER % folder)
    subprocess.run(["cc", "-o", folder / "waiter", source], check=True)


@contextmanager
def decoys(folder: Path, user: int) -> Iterator[dict[int, str]]:
    """All of them running: pid -> what it is. They end with the context."""
    folder.chmod(0o755)
    _lay_out(folder)
    _compile(folder)
    _programs(folder)
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, user, user)
    with ExitStack() as stack:
        started = {}
        for name, command in COMMANDS.items():
            arguments = [text.format(here=folder) for text in command]
            if arguments[0].endswith(("docker-proxy", "_exporter")):
                arguments = [arguments[0], "600"]
            if arguments[0].endswith("renamed"):
                arguments = ["postgres: checkpointer "]
            # This interpreter may lie where only root can reach it.
            who = None if arguments[0] == sys.executable else user
            process = stack.enter_context(
                subprocess.Popen(
                    arguments,
                    executable=f"{folder}/renamed" if name.endswith("a worker") else None,
                    user=who, group=who, cwd=folder,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )  # fmt: skip
            stack.callback(_end, process)
            started[process.pid] = name
        yield started


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a decoy and what it started: each leads a session of its own."""
    os.killpg(process.pid, 9)
    process.wait()
