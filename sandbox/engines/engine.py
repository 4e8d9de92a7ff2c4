"""What the sandbox must know of a database engine. Each engine is one subclass in one file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from sandbox.engines.database import (
    ConfigurationFiles,
    DataFiles,
    EstateDatabase,
    Install,
    Source,
)
from sandbox.engines.process import Process
from sandbox.platforms import PLATFORMS, Family, Platform

KIB, MIB, GIB = 2**10, 2**20, 2**30
UNBOUNDED = 2**50
"""Bytes that no file of the estate reaches: the bound of a file that may take all that is left."""

DistroSeries = Mapping[tuple[Family, str], str]
"""Family and version of an operating system -> the release series that it ships."""

IMAGE_PLATFORM = PLATFORMS["debian-12"]
"""What container images are built on, whatever the host runs."""


class Engine(ABC):
    """One engine: its package, process, files and binary.

    `name` is the word of the probe and of the estate file. What is not in `distro_series` comes
    from the vendor's repository.
    """

    name: str
    default_port: int
    distro_series: ClassVar[DistroSeries] = {}

    def series(self, version: str) -> str:
        """The release series of a version: 8.0 of 8.0.39, 10.11 of 10.11.8."""
        return ".".join(version.split("-")[0].split(".")[:2])

    def default_source(self, version: str, os: Platform) -> Source:
        """The distribution's package where it has that series, else the vendor's."""
        shipped = self.distro_series.get((os.family, os.version))
        return "distro" if shipped == self.series(version) else "vendor"

    def installed(self, db: EstateDatabase, os: Platform) -> Install:
        """Where `db` is installed: on a host that runs `os`, or in a container image."""
        return self.install(
            db.version, IMAGE_PLATFORM if db.container else os, db.source, db.cluster
        )

    # --- package --------------------------------------------------------------------------------

    @abstractmethod
    def install(self, version: str, os: Platform, source: Source, cluster: str) -> Install:
        """Where the package of `source` puts this version on `os`."""

    def config_file(
        self,
        install: Install,
        os: Platform,  # noqa: ARG002 - for engines whose path depends on it
        cluster: str,  # noqa: ARG002
        data_dir: str | None,  # noqa: ARG002
    ) -> str | None:
        """The file that configures one server of this install; None for none.

        `data_dir` is None for a server without a data directory.
        """
        return install.config_file

    def aliases(self, binary: str) -> tuple[str, ...]:  # noqa: ARG002 - most engines have none
        """Names of symbolic links to `binary`, in its folder."""
        return ()

    def packaged_files(self, binary: str) -> tuple[str, ...]:
        """The files that the Debian package of `binary` owns."""
        return (binary,)

    # --- process --------------------------------------------------------------------------------

    @abstractmethod
    def process(self, db: EstateDatabase, os: Platform) -> Process:
        """The server's main process, with its workers."""

    # --- files ----------------------------------------------------------------------------------

    @abstractmethod
    def configuration(
        self, databases: Sequence[EstateDatabase], os: Platform
    ) -> ConfigurationFiles:
        """The files that this engine's servers on one host read, containers aside."""

    def image_files(self, db: EstateDatabase) -> Mapping[str, str]:  # noqa: ARG002 - most have none
        """Configuration inside a container image, by absolute path there."""
        return {}

    @abstractmethod
    def data_files(self, db: EstateDatabase, application: str, pid: int) -> DataFiles:
        """The files of the data directory.

        `application` is whose data it is; `pid` is that of the running server, 0 for none.
        """

    # --- binary ---------------------------------------------------------------------------------

    @abstractmethod
    def binary_texts(self, install: Install, architecture: str) -> tuple[str, ...]:
        """The texts in the executable, in the order in which `strings` shows them.

        Real executables hold their version in a few set places, among other texts that look like
        versions and are not. Both kinds belong here.
        """
