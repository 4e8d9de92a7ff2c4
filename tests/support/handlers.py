"""The Lambda handlers, loaded by their paths, and the context that Lambda gives them."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType

from discovery.artefacts import ROOT


def load(name: str) -> ModuleType:
    """`lambda/<name>.py`, by its path: `lambda` is no name that Python can import."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "lambda" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as in Lambda: pydantic looks there for the types of a model
    spec.loader.exec_module(module)
    return module


api_handler = load("api_handler")
discovery_handler = load("discovery_handler")


@dataclass
class Context:
    """What Lambda says about an invocation."""

    remaining_ms: int = 900_000
    function_name: str = "db-discovery"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:db-discovery"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the function."""
        return self.remaining_ms
