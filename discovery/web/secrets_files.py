"""Streamlit's secrets files, read strictly: what is there is whole, or an error that says where.

Streamlit answers "nothing" for a file that it cannot read as well as for one that is not there.
Only the second may mean that there is no sign-in, so the product reads the files itself, as
Streamlit merges them (https://docs.streamlit.io/develop/api-reference/connections/secrets.toml):
a later file replaces whole sections of an earlier one. No message holds a value.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from discovery.errors import ConfigurationError

_MAX_BYTES = 1 << 20
_LINE = re.compile(r"at line (\d+)")
_HINT = "Mend the file: the pages stay closed until then."


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the files hold, merged, and which of them there are."""

    values: Mapping[str, object] = field(repr=False)
    found: tuple[Path, ...]


def default_files() -> tuple[Path, ...]:
    """Where Streamlit looks unless `secrets.files` says otherwise: the user's folder, then the
    working directory's."""
    name = Path(".streamlit", "secrets.toml")
    try:
        return (Path.home() / name, Path.cwd() / name)
    except RuntimeError:  # this user has no home
        return (Path.cwd() / name,)


def present(files: Sequence[Path]) -> tuple[Path, ...]:
    """The `files` that are there, whatever they hold.

    Raises ConfigurationError when that cannot be told.
    """
    return tuple(path for path in files if _mode(path) is not None)


def read_secrets(files: Sequence[Path]) -> Secrets:
    """Read every one of `files` that is there.

    Raises ConfigurationError, naming file and line, for one that is no secrets file in full.
    """
    values: dict[str, object] = {}
    found = present(files)
    for path in found:
        values.update(_content(path))
    return Secrets(values, found)


def broken(path: Path, problem: str) -> ConfigurationError:
    """The error for a secrets file with `problem`, which names no value."""
    return ConfigurationError(f"{path} {problem}", hint=_HINT)


def _mode(path: Path) -> int | None:
    """Its mode as the file system has it, a link's own; None when nothing is there."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise broken(path, f"cannot be looked at: {error.strerror}") from error


def _content(path: Path) -> Mapping[str, object]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode) and path.suffix != ".toml":
            return _folder(path)
        if not stat.S_ISREG(mode):
            raise broken(path, "is not a regular file")
        return _toml(path, _bytes(path))
    except FileNotFoundError as error:
        raise broken(path, "is a link to nothing, or went away while it was read") from error
    except OSError as error:
        raise broken(path, f"cannot be read: {error.strerror}") from error


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise broken(path, f"has more than {_MAX_BYTES} bytes")
    return content


def _toml(path: Path, content: bytes) -> Mapping[str, object]:
    if content.startswith(b"\xef\xbb\xbf"):
        raise broken(path, "begins with a byte order mark, at line 1")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise broken(path, f"is not UTF-8, at line {line}") from None
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line_named = _LINE.search(str(error))
        where = f"line {line_named[1]}" if line_named else "its end"
        # `from None`: the parser's own message may quote the file.
        raise broken(path, f"is not valid TOML, at {where}") from None


def _folder(path: Path) -> Mapping[str, object]:
    """A folder of secrets, as Kubernetes mounts them: one folder a section, one file a value; a
    section of one file is that value."""
    values: dict[str, object] = {}
    for section in sorted(path.iterdir()):
        if not section.is_dir():
            raise broken(section, "is not a folder, in a folder of secrets")
        entries = {
            entry.name: _text(entry) for entry in sorted(section.iterdir()) if not entry.is_dir()
        }
        only = next(iter(entries.values()), "")
        values[section.name] = only if len(entries) == 1 else entries
    return values


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise broken(path, "is not UTF-8") from None
