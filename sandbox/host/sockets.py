"""The kernel's tables of open sockets: `/proc/net/tcp` and `/proc/net/tcp6`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from sandbox.host.process_table import RunningProcess

_LISTEN, _ESTABLISHED = "0A", "01"
_FIRST_EPHEMERAL_PORT = 32768
"""Where the ports of outgoing connections start."""

_HEAD = "  sl  local_address {} st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def socket_tables(processes: Iterable[RunningProcess]) -> tuple[str, str]:
    """The texts of `net/tcp` and `net/tcp6` of one network namespace."""
    rows: dict[int, list[str]] = {4: [], 6: []}
    for version, row in _rows(processes):
        rows[version].append(f"{len(rows[version]):4d}: {row}")
    return (
        _table(_HEAD.format("rem_address  "), rows[4]),
        _table(_HEAD.format(" " * 24 + "remote_address"), rows[6]),
    )


def _table(head: str, rows: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in (head, *rows))


def _rows(processes: Iterable[RunningProcess]) -> Iterator[tuple[int, str]]:
    """Listening sockets, and one connection to each server, which has the same local port.

    Pairs of IP version and row.
    """
    for number, running in enumerate(processes):
        uid = running.process.uid
        for (address, port), inode in zip(running.process.listens, running.sockets, strict=True):
            ip = ipaddress.ip_address(address)
            nowhere = ipaddress.ip_address("0.0.0.0" if ip.version == 4 else "::")  # noqa: S104
            yield ip.version, _row(_hex(ip, port), _hex(nowhere, 0), _LISTEN, uid, inode)
            if running.process.serves and ip.version == 4:
                local = ipaddress.ip_address("127.0.0.1") if ip == nowhere else ip
                client = ipaddress.ip_address("10.20.3.4")
                peer = _hex(client, _FIRST_EPHEMERAL_PORT + 7 * number)
                yield 4, _row(_hex(local, port), peer, _ESTABLISHED, uid, inode + 90000)


def _row(local: str, remote: str, state: str, uid: int, inode: int) -> str:
    return (
        f"{local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:5d}        0"
        f" {inode} 1 0000000000000000 100 0 0 10 0"
    )


def _hex(address: Address, port: int) -> str:
    """As a little-endian kernel prints an address: each 32-bit word reversed."""
    packed = address.packed
    words = (packed[start : start + 4][::-1] for start in range(0, len(packed), 4))
    return f"{b''.join(words).hex().upper()}:{port:04X}"
