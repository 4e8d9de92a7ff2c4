"""Foreign JSON against a pydantic model: a bad optional value becomes unknown, with a note."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from discovery.sanitize import printable, shown

MAX_ITEMS = 32


class Wire(BaseModel):
    """Base of the models of foreign JSON: types are not converted, unknown names are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


Model = TypeVar("Model", bound=Wire)


def admit(model: type[Model], raw: object, where: str, notes: list[str]) -> Model | None:
    """`raw`, read from JSON, as `model` without its bad optional values.

    None if a required value is bad. Each thing left out is one note that names it, below `where`,
    and its value. Null is the same as absent, and a list is read up to MAX_ITEMS.
    """
    if not isinstance(raw, dict):
        notes.append(f"{where}={shown(raw)}: not an object; left out")
        return None
    values = {name: value for name, value in raw.items() if value is not None}
    for name, value in values.items():
        if name in model.model_fields and isinstance(value, list) and len(value) > MAX_ITEMS:
            notes.append(
                f"{_path(where, name)}: {len(value)} items, the first {MAX_ITEMS} are kept"
            )
            values[name] = value[:MAX_ITEMS]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    fatal = [problem for problem in problems if problem["loc"][0] in required]
    if fatal:
        notes.extend(f"{told(where, problem)}; left out" for problem in fatal)
        return None
    notes.extend(f"{told(where, problem)}; taken as unknown" for problem in problems)
    return model.model_validate(_without(values, [problem["loc"] for problem in problems]))


def _without(values: dict[str, Any], places: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """`values` less each place: a field, or one element of a field's list or object."""
    kept = dict(values)
    elements: dict[str, set[int | str]] = defaultdict(set)
    for name, *inner in places:
        if inner:
            elements[str(name)].add(inner[0])
        else:
            kept.pop(str(name), None)
    for name, bad in elements.items():
        value = kept[name]
        kept[name] = (
            {key: item for key, item in value.items() if key not in bad}
            if isinstance(value, dict)
            else [item for index, item in enumerate(value) if index not in bad]
        )
    return kept


def told(where: str, problem: ErrorDetails) -> str:
    """`databases[3].port=99999: …`: the field, its value, what is wrong."""
    path = _path(where, *problem["loc"])
    if problem["type"] == "missing":
        return f"{path}: missing"
    wrong = problem["msg"].removeprefix("Value error, ")
    return f"{path}={shown(problem['input'])}: {printable(wrong, 120)}"


def _path(where: str, name: int | str, *inner: int | str) -> str:
    return f"{where}{'.' if where else ''}{name}" + "".join(f"[{shown(key)}]" for key in inner)
