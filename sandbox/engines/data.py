"""Data directories: files named as each engine names them, sparse, whose sizes add up exactly."""

from __future__ import annotations

from sandbox.engines.packaging import series
from sandbox.estate.model import EstateDatabase
from sandbox.host.tree import Tree, share_out

_KIB, _MIB, _GIB = 2**10, 2**20, 2**30
_ANY = 2**50

_TABLES = {
    "orders": ("lines", "headers", "addresses", "status_history"),
    "shipments": ("parcels", "scan_events", "legs", "manifests"),
    "cards": ("authorizations", "clearing", "holders", "disputes"),
    "reviews": ("reviews", "ratings", "votes", "authors"),
    "clickstream": ("page_views", "sessions", "clicks", "referrers"),
}
_OTHER_TABLES = ("events", "items", "accounts", "audit_log")


def write_data(tree: Tree, db: EstateDatabase, folder: str, application: str, pid: int) -> None:
    """Fill `folder`, the database's data directory, with `db.size_bytes` bytes.

    `pid` is that of the running server, 0 for one that is not.
    """
    if db.engine == "postgresql":
        small, large = _postgresql(db, pid)
    elif db.engine == "mongodb":
        small, large = _mongodb(db, pid)
    else:
        small, large = _mysql(db, application)
    for name, content in small.items():
        tree.text(f"{folder}/{name}", content)
    rest = db.size_bytes - sum(len(content) for content in small.values())
    for name, size in share_out(rest, large).items():
        tree.sparse(f"{folder}/{name}", size)


Small = dict[str, str]
Large = dict[str, tuple[float, int]]


def _mysql(db: EstateDatabase, application: str) -> tuple[Small, Large]:
    """Weights give the tables nearly everything; system files are bounded as they are in life."""
    schema = application.replace("-", "_")
    line = series(db.engine, db.version)
    modern = line in ("8.0", "8.4")
    small = {"auto.cnf": "[auto]\nserver-uuid=5d0f8f0a-6c1e-11ee-9d5c-0a58a9feac02\n"}
    if db.engine == "mariadb":
        small = {"mysql_upgrade_info": f"{db.version}-MariaDB"}
    elif not modern:
        small["mysql_upgrade_info"] = db.version
    large: Large = {"ibdata1": (1, 76 * _MIB), "ib_buffer_pool": (0.001, 48 * _KIB)}
    if modern:
        large |= {
            "mysql.ibd": (0.5, 25 * _MIB),
            "undo_001": (0.5, 16 * _MIB),
            "#innodb_redo/#ib_redo41": (0.5, 32 * _MIB),
            "binlog.000187": (2, 1 * _GIB),
        }
    else:
        large |= {"ib_logfile0": (1, 512 * _MIB), "mysql/user.MYD": (0.0001, 16 * _KIB)}
    for table, weight in zip(_TABLES.get(schema, _OTHER_TABLES), (60, 25, 8, 5), strict=True):
        large[f"{schema}/{table}.ibd"] = (weight, _ANY)
    return small, large


def _postgresql(db: EstateDatabase, pid: int) -> tuple[Small, Large]:
    line = series("postgresql", db.version)
    write_ahead = "pg_xlog" if line.startswith("9.") else "pg_wal"
    small = {"PG_VERSION": f"{line}\n", "base/16384/PG_VERSION": f"{line}\n"}
    if pid and db.data_dir:
        small["postmaster.pid"] = (
            f"{pid}\n{db.data_dir}\n1718000000\n{db.port}\n/var/run/postgresql\n*\n"
            "  5432001         0\nready   \n"
        )
    if not db.arguments and db.config_file == f"{db.data_dir}/postgresql.conf":
        small["postgresql.conf"] = postgresql_conf(db)
    large: Large = {
        "global/pg_control": (0.0001, 8 * _KIB),
        f"{write_ahead}/00000001000001A2000000C4": (0.5, 16 * _MIB),
        f"{write_ahead}/00000001000001A2000000C5": (0.5, 16 * _MIB),
        "base/1/1259": (0.01, 120 * _KIB),
        "base/16384/16397": (55, _ANY),
        "base/16384/16402": (25, _ANY),
        "base/16384/16402_fsm": (0.02, 768 * _KIB),
        "base/16384/16411": (12, _ANY),
        "base/16385/24601": (5, _ANY),
    }
    return small, large


def _mongodb(db: EstateDatabase, pid: int) -> tuple[Small, Large]:
    engine_version = "3.1.1" if db.version.startswith("3.") else "11.2.0"
    small = {
        "WiredTiger": f"WiredTiger\nWiredTiger {engine_version}: (December 1, 2022)\n",
        "mongod.lock": f"{pid}\n" if pid else "",
    }
    large: Large = {
        "WiredTiger.wt": (0.01, 1 * _MIB),
        "_mdb_catalog.wt": (0.005, 256 * _KIB),
        "sizeStorer.wt": (0.001, 36 * _KIB),
        "journal/WiredTigerLog.0000000187": (1, 100 * _MIB),
        "diagnostic.data/metrics.2026-02-04T00-10-00Z-00000": (0.2, 10 * _MIB),
        "collection-0-6384512773492847196.wt": (64, _ANY),
        "collection-7-6384512773492847196.wt": (20, _ANY),
        "index-1-6384512773492847196.wt": (9, _ANY),
        "index-8-6384512773492847196.wt": (4, _ANY),
    }
    return small, large


def postgresql_conf(db: EstateDatabase) -> str:
    """The file as packages ship it: what is at its default stays a comment, with the default."""
    default_port = db.port == 5432
    listen = {"0.0.0.0": "*", "127.0.0.1": "localhost"}.get(db.bind, db.bind)  # noqa: S104
    separate = db.config_file != f"{db.data_dir}/postgresql.conf" and db.data_dir
    return (
        "# -----------------------------\n# PostgreSQL configuration file\n"
        "#\n#   name = value\n#\n"
        + (f"data_directory = '{db.data_dir}'\t\t# use data in another directory\n" if separate else
           "#data_directory = 'ConfigDir'\t\t# use data in another directory\n")
        + ("#listen_addresses = 'localhost'\t\t# what IP address(es) to listen on;\n"
           if listen == "localhost" else f"listen_addresses = '{listen}'\n")
        + ("#port = 5432\t\t\t\t# (change requires restart)\n" if default_port and not separate else
           f"port = {db.port}\t\t\t\t# (change requires restart)\n")
        + "max_connections = 200\t\t\t# (change requires restart)\n"
        "shared_buffers = 4GB\t\t\t# min 128kB\n"
        "#include_dir = '...'\t\t\t# include files ending in '.conf' from\n"
    )  # fmt: skip
