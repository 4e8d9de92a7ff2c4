"""Fills the placeholders of the deployable artefacts: `iam/`, `schema/`, `deploy/` and
`ssm/ssm-document.json`.

Those files are the single source of what they say. The sandbox, the deployment and the runner all
read them through here, so that what is deployed and what is pinned are the same text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from discovery.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent

ROOT = _PACKAGE / "files" if (_PACKAGE / "files").is_dir() else _PACKAGE.parent
"""The folder that holds `iam/`, `schema/`, `ssm/`, `deploy/`, `pages/`, `sandbox/` and
`dashboard.py`: the checkout; in an installed package its own folder `files`."""

DOCUMENT = "ssm/ssm-document.json"
PROBE = "ssm/discovery_python.py"
SPOKE_ROLE_POLICY = "iam/spoke-account-role-policy.json"
MAX_SESSION_POLICY = 2048
"""Characters of a session policy (STS API reference, AssumeRole, Policy)."""

_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


def render(path: str, values: Mapping[str, str]) -> dict[str, Any]:
    """The JSON of `path`, relative to `ROOT`, with `${NAME}` replaced in every string.

    Values that the file does not use are ignored. Raises ConfigurationError naming a placeholder
    that has no value.
    """

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if not values.get(name):
            raise ConfigurationError(
                f"{path}: no value for ${{{name}}}",
                hint=f"Give {name} a value in the settings, or fill it by hand.",
            )
        return values[name]

    document: dict[str, Any] = json.loads((ROOT / path).read_text(encoding="utf-8"))
    filled: dict[str, Any] = _map_strings(document, lambda text: _PLACEHOLDER.sub(fill, text))
    return filled


def render_text(path: str, values: Mapping[str, str]) -> str:
    """The exact text to upload; an SSM document's hash is the SHA-256 of this."""
    return json.dumps(render(path, values), indent=2)


def probe_source() -> bytes:
    """The probe as it is uploaded."""
    return (ROOT / PROBE).read_bytes()


def probe_sha256() -> str:
    """What the SSM document compares the downloaded probe with; hexadecimal."""
    return hashlib.sha256(probe_source()).hexdigest()


def probe_key() -> str:
    """S3 key of the probe. The hash in it keeps an older document's probe in place."""
    return f"probe/{probe_sha256()}/discovery_python.py"


def document_text(values: Mapping[str, str]) -> str:
    """The SSM document to create, filled with `Settings.placeholders`.

    Raises ConfigurationError when no script bucket is set.
    """
    if not values["SCRIPT_BUCKET"]:
        raise ConfigurationError(
            "DISCOVERY_SCRIPT_BUCKET is not set",
            hint="Set it to the S3 bucket that holds the probe: the SSM document names it.",
        )
    probe = {"PROBE_KEY": probe_key(), "PROBE_SHA256": probe_sha256()}
    return render_text(DOCUMENT, {**values, **probe})


def document_hash(values: Mapping[str, str]) -> str:
    """SHA-256 of `document_text`, as `DescribeDocument` shows it and `SendCommand` pins it."""
    return hashlib.sha256(document_text(values).encode()).hexdigest()


def session_policy(values: Mapping[str, str], account_id: str = "*") -> str:
    """The spoke role's policy in the compact form that AssumeRole takes.

    A session policy only narrows what the role itself allows, and that names its own account.
    """
    policy = render(SPOKE_ROLE_POLICY, {**values, "SPOKE_ACCOUNT_ID": account_id})
    return json.dumps(policy, separators=(",", ":"))


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_strings(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _map_strings(item, change) for key, item in value.items()}
    return value
