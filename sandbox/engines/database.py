"""Records of one database server: its declaration, its install and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["distro", "vendor", "tarball", "image"]
"""Where a server came from: the operating system's own package, the maker's repository, an archive
unpacked under /opt, or a container image."""

Status = Literal["running", "installed"]


@dataclass(frozen=True, slots=True)
class EstateDatabase:
    """One database as a correct report shows it.

    `data_dir` is None and `size_bytes` 0 for a server that is installed and has no data directory.
    `arguments` says that port and data directory stand on the command line, not in a file.
    `cluster` is the server's name where a host has several. `container` is the 64-digit id of the
    container it runs in.
    """

    db_id: str
    engine: str
    version: str
    port: int
    status: Status
    data_dir: str | None
    size_bytes: int
    edition: str | None
    binary: str
    config_file: str | None
    bind: str
    source: Source
    cluster: str = "main"
    arguments: bool = False
    container: str | None = None

    @property
    def size_mb(self) -> float:
        """Apparent size of the data directory in MiB, rounded as the record has it."""
        return round(self.size_bytes / 2**20, 2)

    @property
    def socket_address(self) -> str:
        """The address in `/proc/net/tcp`: a bind to every family is one IPv6 socket."""
        return "::" if self.bind == "*" else self.bind


@dataclass(frozen=True, slots=True)
class Install:
    """One installed server. `edition` is None where nothing on a host would tell it.

    `package` is the Debian package that owns `binary` (None on rpm hosts and for tarballs), with
    `package_version`. `version_text` is what the server calls itself, `comment` the text its build
    adds. `data_dir` and `config_file` are the package's defaults; `config_file` is None where the
    package brings none.
    """

    version: str
    binary: str
    data_dir: str
    config_file: str | None
    version_text: str
    comment: str
    edition: str | None = None
    package: str | None = None
    package_version: str = ""


@dataclass(frozen=True, slots=True)
class ConfigurationFiles:
    """Text files and symbolic links by absolute path on the host; a link's value is its target."""

    texts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataFiles:
    """Files of a data directory, by path inside it.

    `texts` are small and written as they are. `shares` are sparse: a path's value is its weight in
    what is left of the declared size, and the most bytes it may take.
    """

    texts: Mapping[str, str]
    shares: Mapping[str, tuple[float, int]]
