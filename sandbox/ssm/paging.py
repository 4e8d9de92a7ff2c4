"""Pages of a list, and the tokens that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sandbox.call import AwsFaultError

PAGE_SIZE = 50


def page(key: str, items: list[dict[str, Any]], arguments: dict[str, Any]) -> dict[str, Any]:
    """The page of `items` that MaxResults and NextToken in `arguments` ask for, under `key`.

    Raises AwsFaultError for a token that is none.
    """
    size = min(int(arguments.get("MaxResults") or PAGE_SIZE), PAGE_SIZE)
    try:
        start = int(base64.b64decode(arguments.get("NextToken") or "MA==", validate=True))
    except (binascii.Error, ValueError) as error:
        raise AwsFaultError("InvalidNextToken", "The specified token isn't valid.") from error
    response: dict[str, Any] = {key: items[start : start + size]}
    if start + size < len(items):
        response["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return response
