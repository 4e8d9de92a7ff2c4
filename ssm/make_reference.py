"""Writes `engines.md` from the probe's engine table: per engine, how each value is found.

usage: python ssm/make_reference.py
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssm.discovery_python import Engine

HERE = Path(__file__).parent
PAGE = HERE / "engines.md"
UNKNOWN = "not known"

HEAD = """# Engines

Made by `make_reference.py` from the engine table of `discovery_python.py`; do not edit.
What holds for every engine, and in which order sources are tried, is in [README.md](README.md).
A value that none of these sources gives is left out, with a warning, and is never 0.

Ports come from the process's own listening sockets first, whatever the table says. *Tried on* is
what the row was tried on: a real server, or a folder that stands for a host.
"""


def probe() -> ModuleType:
    """The probe as a module."""
    spec = importlib.util.spec_from_file_location("probe", HERE / "discovery_python.py")
    if spec is None or spec.loader is None:
        raise ImportError("discovery_python.py is not beside this file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page() -> str:
    """The page as it should be."""
    return HEAD + "".join(map(section, probe().ENGINES))


def section(engine: Engine) -> str:
    """What the page says of one row."""
    port = f"{code(engine.port_options)}, setting {code(engine.port_settings)}, {engine.port}"
    places = [*engine.config_options, *engine.config_places] if engine.config_places else []
    instances = (
        f"also those in `{engine.instance_list.place}`" if engine.instance_list.place else ""
    )
    roles = ", ".join(f"`{sign}`: {role}" for sign, role in engine.roles)
    lines = [
        ("Process", "".join(process(engine))),
        ("Version", ", ".join(version(engine))),
        ("Port", port),
        ("Data", "keeps none on disk" if engine.stateless else ", ".join(data(engine)) or UNKNOWN),
        ("Configuration", code(places)),
        ("Instances", instances),
        ("TLS", f"setting {code(engine.tls_settings)}" if engine.tls_settings else UNKNOWN),
        ("Role", engine.fixed_role or roles or UNKNOWN),
        ("Tried on", engine.tried_on),
    ]
    title = engine.name + (f" ({engine.fixed_role})" if engine.fixed_role else "")
    return f"\n## {title}\n\n" + "".join(f"- {name}: {text}\n" for name, text in lines if text)


def process(engine: Engine) -> Iterator[str]:
    """What tells that a process is one."""
    yield code(engine.executables)
    if engine.library:
        yield f", with `{engine.library}` open or named"
    if engine.path_part:
        yield f" below `{engine.path_part}`"
    if engine.command_line:
        yield f", whose command line matches `{engine.command_line}`"


def version(engine: Engine) -> Iterator[str]:
    """Where its version stands, best evidence first."""
    if engine.library:
        if engine.version_path:
            yield "its path"
        yield "the name of that file"
        return
    yield "Debian package " + code(package.sign for package in engine.package_names)
    if engine.version_texts:
        yield "text in the executable"
    if engine.version_file.place:
        yield f"file `{engine.version_file.place}` beside it"
    if engine.version_path:
        yield "its path"


def data(engine: Engine) -> Iterator[str]:
    """Where its data is."""
    known = engine.data_settings or engine.data_marks or engine.data_places
    if known or engine.data_options != ("--data-dir",):
        yield code(engine.data_options)
    if engine.data_settings:
        yield f"setting {code(engine.data_settings)}"
    if engine.data_marks:
        yield f"holds or keeps open {code(engine.data_marks)}"
    if engine.data_places:
        yield code(engine.data_places)


def code(texts: Iterable[str]) -> str:
    """These texts as code, with commas between."""
    return ", ".join(f"`{text}`" for text in texts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
