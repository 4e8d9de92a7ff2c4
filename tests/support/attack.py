"""An unprivileged user's executable that is called like a server (CVE-2025-41244)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.needs import missing

NOBODY = 65534

ATTACK = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
const char text[] __attribute__((used)) = TEXT;
int main(int count, char **argument) {
    if (count < 2 || strcmp(argument[1], "serve")) {
        fclose(fopen(MARKER, "w"));
        puts("mysqld  Ver 8.0.35 for Linux on x86_64 (MySQL Community Server - GPL)");
        return 0;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_port = htons(3306);
    if (bind(server, (void *)&address, size)) {
        address.sin_port = 0;
        bind(server, (void *)&address, size);
    }
    listen(server, 1);
    getsockname(server, (void *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    pause();
}
"""
"""Leaves a marker when it is run as a scanner would run it; with `serve` it listens on a port."""


def build(binary: Path, marker: Path, text: str) -> None:
    """Compile the attacker's program, with a text in it. Skips where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        missing("no C compiler to build the attacker's executable with")
    source = binary.with_name("attack.c")
    source.write_text(ATTACK)
    defines = [f'-DMARKER="{marker}"', f'-DTEXT="{text}"']
    command = [compiler or "", "-w", *defines, "-o", str(binary), str(source)]
    subprocess.run(command, check=True)
    binary.chmod(0o755)


class Attack:
    """An unprivileged user's running executable that is called mysqld.

    `data` is a data directory that only root can enter; `{data}` in an argument is its path.
    """

    def __init__(self, folder: Path, text: str, *arguments: str) -> None:
        self.marker = folder / "marker"
        self.binary = folder / "mysqld"
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        (self.data / "ibdata1").touch()
        build(self.binary, self.marker, text)
        root = os.geteuid() == 0
        if root:
            for path in (folder, self.binary):
                os.chown(path, NOBODY, NOBODY)
        self.process = subprocess.Popen(
            [str(self.binary), "serve", *(text.format(data=self.data) for text in arguments)],
            stdout=subprocess.PIPE,
            text=True,
            user=NOBODY if root else None,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        """End the attacker's process."""
        self.process.kill()
        self.process.communicate()
