"""One process of a host, as `/proc` shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    `exe` is None for a kernel thread. `title` replaces the command line of a process that rewrote
    it. `name` is the kernel's name of a script, whose executable is its shell. `listens` are
    (address, port), `files` open files. `serves` marks a database server: only for these is
    everything written that a probe may read.
    """

    argv: tuple[str, ...]
    exe: str | None
    uid: int = 0
    cwd: str = "/"
    listens: tuple[tuple[str, int], ...] = ()
    files: tuple[str, ...] = ()
    serves: bool = False
    container: str | None = None
    title: str | None = None
    name: str = ""
    children: tuple[Process, ...] = ()

    @property
    def comm(self) -> str:
        """The kernel's name for it: at most 15 characters."""
        return (self.name or (self.exe or self.argv[0]).rpartition("/")[2])[:15]


def daemon(command: str, uid: int = 0, *listens: tuple[str, int], exe: str = "") -> Process:
    """A process from its command line, whose first word is its executable unless `exe` names it."""
    argv = tuple(command.split(" "))
    return Process(argv, exe or argv[0], uid, listens=listens)


def kernel_thread(name: str) -> Process:
    """A kernel thread: no executable and no command line."""
    return Process((name,), None)
