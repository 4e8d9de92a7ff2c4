"""Folders that sandboxes share: built once, made whole, told apart by what is in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.estate import Estate, EstateHost
from sandbox.host import build_host, cached_host, folder_cache


def test_a_host_is_built_once(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second asking gives the first one's folder; another description gives another folder."""
    host = next(iter(estate.scannable_hosts()))
    first = cached_host(host, tmp_path / "store")
    assert (first / "proc/1/cmdline").exists()

    def refuse(_host: EstateHost, _folder: Path) -> None:
        raise AssertionError("built again")

    with monkeypatch.context() as patched:
        patched.setattr(folder_cache, "build_host", refuse)
        assert cached_host(host, tmp_path / "store") == first
    other = cached_host(replace(host, databases=()), tmp_path / "store")
    assert other != first
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == sorted(
        (first.name, other.name)
    )


def test_a_folder_that_failed_half_way_is_not_there(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves nothing that a later start would take for a whole host."""
    host = next(iter(estate.scannable_hosts()))

    def fill(_host: EstateHost, folder: Path) -> None:
        (folder / "etc").mkdir()
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(folder_cache, "build_host", fill)
        with pytest.raises(OSError, match="no space"):
            cached_host(host, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_who_comes_second_takes_what_is_there(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that build the same host at once, one folder remains, and both get it."""
    host = next(iter(estate.scannable_hosts()))
    build = build_host

    def build_while_another_does(host: EstateHost, folder: Path) -> None:
        build(host, folder)
        with monkeypatch.context() as patched:
            patched.setattr(folder_cache, "build_host", build)
            cached_host(host, tmp_path)

    monkeypatch.setattr(folder_cache, "build_host", build_while_another_does)
    folder = cached_host(host, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
