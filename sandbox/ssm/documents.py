"""The document that a command runs: its version, its hash and its parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from moto.ssm.models import Document, ssm_backends

from sandbox.call import AwsFaultError

_DEFAULT_VERSIONS = (None, "", "$DEFAULT")

Scope = tuple[str, str]
"""Account and region."""


def find_document(scope: Scope, arguments: dict[str, Any]) -> Document:
    """moto's record of the document that SendCommand's `arguments` name.

    Raises AwsFaultError when the version or the hash that they pin is not there.
    """
    account, region = scope
    name = arguments["DocumentName"]
    own = f"arn:aws:ssm:{region}:{account}:document/"
    documents = ssm_backends[account][region]._documents.get(name.removeprefix(own))
    if documents is None:
        raise AwsFaultError("InvalidDocument", f"Document with name {name} does not exist.")
    version = arguments.get("DocumentVersion")
    document: Document | None
    if version in _DEFAULT_VERSIONS:
        document = documents.get_default_version()
    elif version == "$LATEST":
        document = documents.get_latest_version()
    else:
        document = documents.find_by_version(version)
    if document is None:
        raise AwsFaultError(
            "InvalidDocumentVersion", f"Document version {version} of {name} does not exist."
        )
    pinned = arguments.get("DocumentHash")
    if pinned and pinned != document.hash:
        raise AwsFaultError("InvalidDocument", f"document hash {pinned} does not match Sha256.")
    return document


def check_parameters(
    document: dict[str, Any], given: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """The value of each parameter of `document`: what is given, else its default.

    Raises AwsFaultError for a value that the document does not allow.
    """
    known: dict[str, dict[str, Any]] = document.get("parameters", {})
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise AwsFaultError("InvalidParameters", f"Parameters {unknown} are not in the document.")
    values = {name: str(parameter.get("default", "")) for name, parameter in known.items()}
    for name, texts in given.items():
        values[name] = ",".join(texts)
        pattern = known[name].get("allowedPattern")
        if pattern and not re.search(pattern, values[name]):
            raise AwsFaultError(
                "InvalidParameters", f"Parameter {name} does not match the pattern {pattern}."
            )
        if values[name] not in known[name].get("allowedValues", [values[name]]):
            raise AwsFaultError("InvalidParameters", f"Parameter {name} is no allowed value.")
    return values
