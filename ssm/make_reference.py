"""Writes `engines.md` from the probe's rule table: per engine, how each value is found.

usage: python ssm/make_reference.py
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE / "engines.md"

HEAD = """# Engines

Made by `make_reference.py` from the rule table of `discovery_python.py`; do not edit.
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
    return HEAD + "".join(map(section, probe().rules()))


def section(rule: Any) -> str:
    """What the page says of one row."""
    unknown = "not known"
    process = code(rule.programs + rule.aliases)
    if rule.library:
        process += f", with {code([rule.library])} open or named"
    if rule.where:
        process += f" below {code([rule.where])}"
    if rule.says:
        process += f", whose command line matches {code([rule.says])}"
    version = []
    if not rule.library:
        version.append("Debian package " + code(entry.split(" ")[1] for entry in rule.package))
    if rule.text:
        version.append("text in the executable")
    if rule.beside:
        version.append(f"file {code([rule.beside.split(' ')[0]])} beside it")
    if rule.path_version:
        version.append("its path")
    if rule.library:
        version.append("the name of that file")
    known = rule.data_keys or rule.data_marks or rule.data_places
    data = [code(rule.data_options)] if known or rule.data_options != ["--data-dir"] else []
    data += [f"setting {code(rule.data_keys)}"] if rule.data_keys else []
    data += [f"holds or keeps open {code(rule.data_marks)}"] if rule.data_marks else []
    data += [code(rule.data_places)] if rule.data_places else []
    configuration = [*rule.config_options, *rule.config_places] if rule.config_places else []
    roles = [f"{code([name])}: {role}" for name, _, role in (e.partition(" ") for e in rule.role)]
    rows = [
        ("Process", process),
        ("Version", ", ".join(version)),
        ("Port", f"{code(rule.port_options)}, setting {code(rule.port_keys)}, {rule.default_port}"),
        (
            "Data",
            "keeps none on disk" if "stateless" in rule.traits else ", ".join(data) or unknown,
        ),
        ("Configuration", code(configuration)),
        ("Instances", f"also those in {code([rule.listed.split(' ')[0]])}" if rule.listed else ""),
        ("TLS", f"setting {code(rule.tls)}" if rule.tls else unknown),
        ("Role", rule.kind or ", ".join(roles) or unknown),
        ("Tried on", rule.tried),
    ]
    title = rule.engine + (f" ({rule.kind})" if rule.kind else "")
    return f"\n## {title}\n\n" + "".join(f"- {name}: {text}\n" for name, text in rows if text)


def code(texts: Any) -> str:
    """These texts as code, with commas between."""
    return ", ".join(f"`{text}`" for text in texts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
