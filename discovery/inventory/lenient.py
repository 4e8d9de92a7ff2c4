"""Foreign JSON against a pydantic model: a bad optional value becomes unknown, with a note."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticUseDefault

from discovery.model.bounds import MAX_ITEMS
from discovery.sanitize import printable, shown


@dataclass(frozen=True, slots=True)
class Notes:
    """What was left out below `where`, a line each that names the field and its value."""

    where: str
    lines: list[str] = field(default_factory=list)

    def add(self, text: str, *path: int | str) -> None:
        """Note `text` about what is at `path`."""
        self.lines.append(f"{_path(self.where, *path)}{text}")


class ForeignModel(BaseModel):
    """Base of the models of foreign JSON: types are not converted, unknown names are ignored.

    A field with a default takes it instead of a bad value, and null is the same as absent. Of a
    list or an object only the bad elements are left out. `admit` gives the notes.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _leave_out_what_is_bad(
        cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        name = info.field_name or ""
        if cls.model_fields[name].is_required():
            return check(value)
        if value is None:
            raise PydanticUseDefault
        notes: Notes = info.context or Notes("")
        if isinstance(value, list) and len(value) > MAX_ITEMS:
            notes.add(f": {len(value)} items, the first {MAX_ITEMS} are kept", name)
            value = value[:MAX_ITEMS]
        try:
            return check(value)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False)
        for problem in problems:
            notes.add(f"{_complaint(problem)}; taken as unknown", name, *problem["loc"])
        bad = {problem["loc"][0] for problem in problems if problem["loc"]}
        if not bad:
            raise PydanticUseDefault
        return check(_without(value, bad))

    @classmethod
    def admit(cls, raw: object, where: str, notes: list[str]) -> Self | None:
        """`raw`, read from JSON, as this model without its bad optional values.

        None if a required value is bad. `notes` gets a line for each thing that is left out.
        """
        if not isinstance(raw, dict):
            notes.append(f"{where}={shown(raw)}: not an object; left out")
            return None
        optional = Notes(where)
        try:
            model = cls.model_validate(raw, context=optional)
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_context=False):
                notes.append(f"{describe(where, problem)}; left out")
            return None
        notes += optional.lines
        return model


def _without(value: Any, bad: Set[int | str]) -> Any:
    """The list or object `value` less the elements at `bad`."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in bad}
    return [item for index, item in enumerate(value) if index not in bad]


def describe(where: str, problem: ErrorDetails) -> str:
    """`databases[3].port=99999: …`: the field, its value, what is wrong."""
    return f"{_path(where, *problem['loc'])}{_complaint(problem)}"


def _complaint(problem: ErrorDetails) -> str:
    if problem["type"] == "missing":
        return ": missing"
    wrong = problem["msg"].removeprefix("Value error, ")
    return f"={shown(problem['input'])}: {printable(wrong, 120)}"


def _path(where: str, name: int | str, *inner: int | str) -> str:
    return f"{where}{'.' if where else ''}{name}" + "".join(f"[{shown(key)}]" for key in inner)
