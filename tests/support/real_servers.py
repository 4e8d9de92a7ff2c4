"""Real servers of databases, each started in folders of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.support.needs import missing


def free_port() -> int:
    """A port that nothing listens on, and that is no engine's default."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def apparent_size(folder: Path) -> int:
    """What `du` says."""
    command = ["du", "--apparent-size", "-s", "-B1", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(said.stdout.split()[0])


class Server:
    """A real server in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "some where" / "data"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.user = ""

    def command(self) -> list[str]:
        """How it is started."""
        raise NotImplementedError

    def version(self) -> str:
        """What it says of itself; raises CalledProcessError until it answers."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(
            self.command(),
            user=self.user,
            group=self.user,
            extra_groups=[],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            assert self.process.poll() is None, "the server ended"
            try:
                self.version()
                return
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def stop(self) -> None:
        """Stop it in order, and wait."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def own(self) -> None:
        """Make its folders, and make them its user's."""
        self.data.mkdir(parents=True)
        for path in (self.folder, self.data.parent, self.data):
            path.chmod(0o755)
            shutil.chown(path, self.user, self.user)
        self.data.chmod(0o700)


class PostgreSQL(Server):
    """A cluster made with initdb."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), Path("/usr/bin")]
        self.bin = next((place for place in places if (place / "initdb").exists()), Path("/none"))
        self.user = "postgres"
        if not (self.bin / "initdb").exists():
            missing("PostgreSQL is not installed here")
        self.own()
        initdb = [str(self.bin / "initdb"), "-D", str(self.data), "-A", "trust", "--no-sync"]
        subprocess.run(
            initdb, user="postgres", group="postgres", extra_groups=[], cwd="/", check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def command(self) -> list[str]:
        """Port and directory on the command line."""
        return [
            str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-k", str(self.folder),
        ]  # fmt: skip

    def version(self) -> str:
        """SHOW server_version, without what the distribution adds."""
        psql = [str(self.bin / "psql"), "-h", str(self.folder), "-p", str(self.port)]
        asked = subprocess.run(
            [*psql, "-U", "postgres", "-Atc", "show server_version"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return asked.stdout.split()[0]


class MariaDB(Server):
    """A server made with mariadb-install-db."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.user = "mysql"
        self.binary = shutil.which("mariadbd", path="/usr/sbin:/usr/libexec:/usr/bin")
        install = shutil.which("mariadb-install-db")
        if not self.binary or not install:
            missing("MariaDB is not installed here")
        self.own()
        self.config = folder / "my.cnf"
        self.socket = folder / "s"
        self.config.write_text(
            f"[mysqld]\nport = {self.port}\ndatadir = {self.data}\nbind-address=127.0.0.1\n"
            f"socket={self.socket}\ntmpdir={folder}\npid-file={folder}/pid\nskip-grant-tables\nskip-networking=0\n"
            "innodb_flush_log_at_trx_commit=0\n"
        )
        self.config.chmod(0o644)  # whatever the umask is
        subprocess.run(
            [str(install), f"--defaults-file={self.config}", "--user=mysql",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {"TMPDIR": str(folder)},  # the script splits a path with a space
        )  # fmt: skip

    def command(self) -> list[str]:
        """Port and directory in a configuration file of its own."""
        return [str(self.binary), f"--defaults-file={self.config}"]

    def version(self) -> str:
        """SELECT VERSION(), without what the distribution adds."""
        asked = subprocess.run(
            ["mariadb", "--no-defaults", "-S", str(self.socket), "-Nse", "select version()"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return asked.stdout.partition("-")[0]
