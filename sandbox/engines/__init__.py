"""Database engines: what each one's packages, processes, files and binaries look like on a host.

One file an engine. `ENGINES` is the table of them; nothing else in the sandbox names an engine.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.engines.database import DataFiles, EstateDatabase, Install, Source, Status
from sandbox.engines.engine import Engine
from sandbox.engines.mariadb import MariaDB
from sandbox.engines.mongodb import MongoDB
from sandbox.engines.mysql import MySQL, Percona
from sandbox.engines.postgresql import PostgreSQL
from sandbox.engines.process import Process, daemon, kernel_thread

__all__ = [
    "ENGINES",
    "DataFiles",
    "Engine",
    "EstateDatabase",
    "Install",
    "Process",
    "Source",
    "Status",
    "daemon",
    "kernel_thread",
]

ENGINES: Mapping[str, Engine] = {
    engine.name: engine for engine in (MySQL(), MariaDB(), Percona(), PostgreSQL(), MongoDB())
}
