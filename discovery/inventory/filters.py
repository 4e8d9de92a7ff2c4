"""What all filters share: URL parameters as fields, and words that must occur."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from discovery.errors import RequestError

MAX_TEXT = 200
_TEXT_PARAMETER = "q"


@dataclass(frozen=True, kw_only=True)
class RecordFilter:
    """A record is selected when every field that is not empty holds it.

    Each field but `text` is a set of alternatives. `text` is words that must all occur, in any
    case. Raises RequestError for a text of more than 200 characters.
    """

    PARAMETERS: ClassVar[Mapping[str, str]] = {}
    """URL parameter -> field."""

    text: str = ""

    def __post_init__(self) -> None:
        if len(self.text) > MAX_TEXT:
            raise RequestError(
                f"{_TEXT_PARAMETER}: {len(self.text)} characters, at most {MAX_TEXT}"
            )

    @classmethod
    def from_params(cls, params: Mapping[str, Sequence[str]]) -> Self:
        """The filter that URL parameters name; each may occur several times. Others are ignored.

        Raises RequestError for a value that the filter does not take.
        """
        values: dict[str, set[str]] = {}
        for name, field in cls.PARAMETERS.items():
            given = (value.strip() for value in params.get(name, ()))
            values.setdefault(field, set()).update(filter(None, given))
        text = " ".join(params.get(_TEXT_PARAMETER, ())).strip()
        return cls(**{field: frozenset(given) for field, given in values.items()}, text=text)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of `text`, case-folded."""
        return tuple(self.text.casefold().split())


def holds_words(values: Iterable[str | None], words: Iterable[str]) -> bool:
    """Whether each of the case-folded `words` occurs in one of `values`; no word spans two."""
    searched = "\n".join(value for value in values if value).casefold()
    return all(word in searched for word in words)


def holds(alternatives: frozenset[str], value: str | None) -> bool:
    """Whether `value` is one of `alternatives`, or there are none to choose from."""
    return not alternatives or value in alternatives
