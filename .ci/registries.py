#!/usr/bin/env python3
"""How this machine reaches its package registries, told to a machine that is made fresh on it.

`.ci/registries.py FOLDER` reads pip's settings (files and variables) and writes into FOLDER:

  pip.conf      the settings that say where packages come from, in one file
  paths         the files and folders of this machine that those settings lead to, one a line
  environment   the proxy variables, one NAME=value a line
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

OPTIONS = {
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "constraint",
    "cert", "client-cert", "proxy", "timeout", "default-timeout", "retries", "prefer-binary",
}  # fmt: skip
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_LINK = re.compile(r"""href=["']?([^"'#> ]+)""", re.IGNORECASE)


def settings(listed: str) -> RawConfigParser:
    """The settings that `pip config list` shows. Variables go before files, as they do in pip."""
    found = RawConfigParser()
    found["global"] = {}
    variables = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if option not in OPTIONS:
            continue
        if section == ":env:":
            variables[option] = str(ast.literal_eval(value))
            continue
        if section not in found:
            found.add_section(section)
        found[section][option] = str(ast.literal_eval(value))
    for section in found.sections():
        for option in variables:
            found.remove_option(section, option)
    found["global"].update(variables)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(name):
            found["global"].setdefault("cert", os.environ[name])
    return found


def local_paths(found: RawConfigParser) -> Iterator[Path]:
    """The files and folders that the settings name, and those that a local index links to."""
    if BUNDLE.exists():
        yield BUNDLE
    for section in found.sections():
        for value in found[section].values():
            for word in value.split():
                is_url = word.startswith("file:")
                path = Path(url2pathname(urlsplit(word).path) if is_url else word)
                if path.is_absolute() and path.exists():
                    yield path
                    yield from _linked_folders(path)


def _linked_folders(index: Path) -> set[Path]:
    """The folders in which the files lie that the pages of an index on disk link to."""
    pages = [index] if index.suffix == ".html" else [*index.glob("*.html"), *index.glob("*/*.html")]
    folders = set()
    for page in pages:
        for link in _LINK.findall(page.read_text(encoding="utf-8", errors="replace")):
            if not urlsplit(link).scheme:
                folders.add(Path(os.path.normpath(page.parent / unquote(link))).parent)
    return {folder for folder in folders if folder.is_dir() and not folder.is_relative_to(index)}


def main() -> None:
    """Write the three files."""
    folder = Path(sys.argv[1])
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pip = [str(folder / "venv/bin/python"), "-m", "pip"]
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True)
    found = settings(listed.stdout)
    with (folder / "pip.conf").open("w") as file:
        found.write(file)
    (folder / "paths").write_text("".join(f"{path}\n" for path in sorted({*local_paths(found)})))
    names = [*PROXIES, *map(str.upper, PROXIES)]
    proxies = {name: os.environ[name] for name in names if os.environ.get(name)}
    (folder / "environment").write_text("".join(f"{k}={v}\n" for k, v in proxies.items()))


main()
