"""Redis in containers of real runtimes. Each runtime lives in mount, PID and network namespaces of
its own, with its folders in memory: nobody else sees it, and all of it ends with the test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostfolder import PROBE, unpacked
from tests.support.needs import missing

SERVER = Path("/usr/bin/redis-server")

STAGE = """
exec 2>&1
set -eu
ip link set lo up
cd /var/lib
for folder in /run /etc/docker $PWD/docker $PWD/containers $PWD/cni $PWD/containerd; do
  mkdir -p $folder; mount -t tmpfs tmpfs $folder
done
run() {
  $runtime run -d --name "$1" --user 999:999 --workdir /data --volume "$1:/data" \\
    --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --publish "127.0.0.1:$2:6379" cache:7 \\
    /usr/local/bin/redis-server --protected-mode no --save "" >/dev/null
}
names() { $runtime ps --no-trunc --format '{{.Names}} {{.ID}}'; }
remove() { $runtime rm -f "$1" >/dev/null; }
import() { $runtime import "$here/image.tar" cache:7 >/dev/null; }
"""

RUNTIMES = {
    "docker": """
PATH=/usr/bin:/usr/sbin:/bin:/sbin
dockerd --storage-driver vfs --iptables=false >"$here/dockerd" &
runtime=docker
until docker info >/dev/null 2>&1; do sleep 0.1; done
""",
    "podman": """
runtime="podman --runtime runc --cgroup-manager cgroupfs"
""",
    # As Kubernetes' plugin for containerd does it, but in the host's network and as root.
    "containerd": """
containerd >"$here/containerd" &
runtime="ctr -n k8s.io"
until $runtime version >/dev/null 2>&1; do sleep 0.1; done
run() {
  id=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \\n')
  mkdir -p "/run/volumes/$1"
  echo "$1 $id" >>/run/names
  $runtime run --detach --rootfs --net-host --cwd /data \\
    --annotation io.kubernetes.cri.image-name=cache:7 \\
    --annotation "io.kubernetes.cri.container-name=$1" \\
    --mount "type=bind,src=/run/volumes/$1,dst=/data,options=rbind:rw" "$here/root" "$id" \\
    /usr/local/bin/redis-server --bind 127.0.0.1 --port "$2" --save ""
}
names() { cat /run/names; }
remove() {
  id=$(sed -n "s/^$1 //p" /run/names)
  sed -i "/^$1 /d" /run/names
  $runtime task kill --signal 9 "$id"
  until $runtime task rm "$id" 2>/dev/null; do sleep 0.1; done
  $runtime container rm "$id"
}
import() { :; }
""",
}

VISIT = """
serve() {
  run "$1" "$2"
  until redis-cli -p "$2" save >/dev/null 2>&1; do sleep 0.1; done
}
look() {
  names >"$here/$1.names"
  "$python" -I -S "$probe" >"$here/$1.json"
}
import
serve cache 7001; serve queue 7002
redis-cli -p 7001 set a b >/dev/null; redis-cli -p 7001 save >/dev/null
look first
remove cache; remove queue
serve queue 7002; serve cache 7001
look second
remove cache; remove queue
"""
PORTS = {"cache": 7001, "queue": 7002}


@dataclass
class Visit:
    """What the probe said, by the containers' names, and their ids; before and after both were made
    anew in another order."""

    first: dict[str, dict[str, Any]]
    second: dict[str, dict[str, Any]]
    ids: list[dict[str, str]]
    others: list[dict[str, Any]]  # what else runs, by the probe
    runtime: str


def readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """For the container's user, whatever the umask of this one."""
    member.mode |= 0o755
    return member


def image(path: Path) -> None:
    """Debian's Redis with the libraries it needs and a user, and nothing else."""
    root = path.with_name("root")
    listed = subprocess.run(["ldd", SERVER], capture_output=True, text=True, check=True).stdout
    files = {library: library for library in re.findall(r"/\S+", listed)}
    for source, target in {str(SERVER): "/usr/local/bin/redis-server", **files}.items():
        (root / target[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / target[1:])
    for folder in ("etc", "data"):
        (root / folder).mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/:\nkeeper:x:999:999::/data:\n")
    os.chown(root / "data", 999, 999)
    with tarfile.open(path, "w") as tar:
        tar.add(root, ".", filter=readable)


@pytest.fixture(scope="module", params=RUNTIMES)
def visit(request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Two containers of this runtime, looked at twice."""
    if os.geteuid() != 0:
        pytest.skip("containers in namespaces of their own: this needs root on Linux")
    own = {"docker": ("docker", "dockerd"), "containerd": ("containerd", "ctr")}
    programs = ("unshare", "ip", "runc", "redis-server", "redis-cli")
    programs += own.get(request.param, (request.param,))
    lacking = [program for program in programs if shutil.which(program) is None]
    if lacking:
        missing(f"no {', '.join(lacking)}")
    with tempfile.TemporaryDirectory(prefix="containers-", dir="/tmp") as name:
        here = Path(name)
        image(here / "image.tar")
        settings = {"here": name, "python": sys.executable, "probe": str(PROBE)}
        finished = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--net", "--kill-child",
             "--propagation", "private", "sh", "-c",
             STAGE + RUNTIMES[request.param] + VISIT],
            env={**os.environ, **settings}, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stdout
        ids: list[dict[str, str]] = []
        scans: list[dict[str, dict[str, Any]]] = []
        others: list[dict[str, Any]] = []
        for scan in ("first", "second"):
            pairs = (line.split(" ") for line in (here / f"{scan}.names").read_text().splitlines())
            ids.append({ident[:12]: container for container, ident in pairs})
            running = [
                record
                for record in unpacked((here / f"{scan}.json").read_text())["databases"]
                if record["status"] == "running"
            ]
            scans.append({ids[-1][r["container"]]: r for r in running if "container" in r})
            others += [record for record in running if "container" not in record]
        yield Visit(scans[0], scans[1], ids, others, request.param)


def test_a_container_is_found_with_what_its_runtime_keeps(visit: Visit) -> None:
    """Engine, version, in-container port, image, owner and the size of what lies in its volume."""
    said = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"v=([\d.]+)", said)
    assert version
    assert set(visit.first) == set(visit.second) == {"cache", "queue"}
    kubernetes = visit.runtime == "containerd"
    for name, record in [*visit.first.items(), *visit.second.items()]:
        assert (record["engine"], record["version"]) == ("redis", version.group(1))
        assert record["port"] == (PORTS[name] if kubernetes else 6379)
        assert record["data_dir"] == "/data"
        assert record["image"].removeprefix("docker.io/library/").endswith("cache:7")
        assert record["owner"] == ("root" if kubernetes else "keeper")
        assert record["data_size_bytes"] > 0
        assert record["data_size_complete"]
    assert visit.first["cache"]["data_size_bytes"] > visit.first["queue"]["data_size_bytes"]


def test_a_published_port(visit: Visit) -> None:
    """It is in Docker's and in Podman's own file; in the host's network nothing is published."""
    published = dict.fromkeys(PORTS) if visit.runtime == "containerd" else PORTS
    for scan in (visit.first, visit.second):
        assert {name: record.get("published_port") for name, record in scan.items()} == published


def test_a_container_made_anew_is_the_same_database(visit: Visit) -> None:
    """Its id, pid and address are others, and so is the order: the names of the databases stay."""
    assert not set(visit.ids[0]) & set(visit.ids[1])
    first = {name: record["db_id"] for name, record in visit.first.items()}
    assert first == {name: record["db_id"] for name, record in visit.second.items()}
    assert len(set(first.values())) == 2


def test_what_serves_containers_is_no_database(visit: Visit) -> None:
    """Neither a runtime, nor what watches a container or forwards its port, is a record."""
    assert visit.others == []
