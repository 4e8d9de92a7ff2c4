"""Engines: a row of the table has all that an estate file and a host folder need of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.engines import ENGINES
from sandbox.estate import load_estate
from sandbox.host import build_host

VERSIONS = {
    "mysql": "8.0.36",
    "mariadb": "10.6.18",
    "percona": "8.0.36-28",
    "postgresql": "15.7",
    "mongodb": "7.0.14",
}

ESTATE = """
management_account = "100000000001"
external_id = "x"
regions = ["eu-west-1"]
[[accounts]]
id = "210000000001"
name = "one"
[[accounts.hosts]]
name = "db-1"
os = "{os}"
type = "m5.large"
databases = [{{ engine = "{engine}", version = "{version}", size = "1 GiB" }}]
"""


@pytest.mark.parametrize("os", ["ubuntu-22.04", "rhel-9"])
@pytest.mark.parametrize("engine", ENGINES)
def test_its_table_row_is_all_that_a_host_needs(engine: str, os: str, tmp_path: Path) -> None:
    """Named in an estate file, each engine has its binary, process and data on either family."""
    file = tmp_path / "estate.toml"
    file.write_text(ESTATE.format(os=os, engine=engine, version=VERSIONS[engine]))
    (host,) = load_estate(file).hosts()
    (db,) = host.databases
    folder = tmp_path / "host"
    build_host(host, folder)
    assert db.port == ENGINES[engine].default_port
    assert (folder / db.binary[1:]).read_bytes().startswith(b"\x7fELF")
    links = [process / "exe" for process in (folder / "proc").iterdir()]
    assert db.binary in {str(link.readlink()) for link in links if link.is_symlink()}
    assert db.data_dir
    files = [path for path in (folder / db.data_dir[1:]).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) == 2**30


def test_an_engine_that_is_not_in_the_table_is_refused(tmp_path: Path) -> None:
    """An estate file can name the table's engines only."""
    file = tmp_path / "estate.toml"
    file.write_text(ESTATE.format(os="rhel-9", engine="dbase", version="4.0"))
    with pytest.raises(ValueError, match="dbase is no known engine"):
        load_estate(file)
