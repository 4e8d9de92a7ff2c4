"""Filters that live in the URL, so that a view can be bookmarked, sent, and gone back to.

Streamlit's own binding of widgets to the URL writes labels instead of values, drops values that are
not among the options (a filter for something gone would silently show everything), and leaves no
history to go back through. Here a URL that changed by itself (a link, back, forward) sets the
widgets, and a widget that changed sets the URL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import streamlit as st

from discovery.inventory.filters import MAX_TEXT

_KEPT = ("as", "record")
"""Parameters that are no filter, and stay."""


class UrlFilters:
    """The filters of one page.

    `several`, `texts` and `single` name its URL parameters: of any number of values, of free text,
    and of exactly one value with its default.
    """

    def __init__(
        self,
        page: str,
        *,
        several: Sequence[str],
        texts: Sequence[str] = ("q",),
        single: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._page = page
        self._several, self._texts, self._single = several, texts, single
        self._params = (*texts, *several, *single)
        known = all(self._key(param) in st.session_state for param in self._params)
        if not known or self._url() != st.session_state.get(f"{page}-url"):
            self._from_url()

    @property
    def generation(self) -> int:
        """Counts how often the URL changed by itself: what was selected before means nothing."""
        count: int = st.session_state.get(f"{self._page}-generation", 0)
        return count

    def renew(self) -> None:
        """Begin a new generation: forget what is selected in the table."""
        st.session_state[f"{self._page}-generation"] = self.generation + 1

    def choose(
        self, param: str, label: str, options: Iterable[str], *, name: Callable[[str], str] = str
    ) -> None:
        """Any number of `options`, each shown by its `name`; a value from the URL that is none of
        them is kept."""
        known = dict.fromkeys([*options, *self.chosen(param)])
        st.multiselect(
            label, list(known), format_func=name, key=self._key(param), placeholder="All"
        )

    def choose_one(
        self, param: str, label: str, options: Mapping[str, str], *, free: bool = False
    ) -> None:
        """Exactly one of `options` (value -> name), or, with `free`, what the reader types."""
        known = dict.fromkeys([*options, st.session_state[self._key(param)]])
        st.selectbox(
            label,
            list(known),
            format_func=lambda value: options.get(value, value),
            key=self._key(param),
            accept_new_options=free,
        )

    def search(self, param: str, label: str, *, placeholder: str) -> None:
        """Free text."""
        st.text_input(
            label,
            key=self._key(param),
            placeholder=placeholder,
            type="search",
        )

    def chosen(self, param: str) -> list[str]:
        """What is chosen of one parameter of several values."""
        return list(st.session_state[self._key(param)])

    def values(self) -> dict[str, list[str]]:
        """What is chosen, also written to the URL. What is empty or the default is left out."""
        values = self._values()
        if values != self._url():
            kept = {
                name: st.query_params.get_all(name) for name in _KEPT if name in st.query_params
            }
            st.query_params.from_dict(values | kept)
        st.session_state[f"{self._page}-url"] = values
        return values

    def reset(self) -> None:
        """A callback: nothing is filtered any more."""
        for param in self._params:
            self._set(param, [])

    def _key(self, param: str) -> str:
        return f"{self._page}-{param}"

    def _url(self) -> dict[str, list[str]]:
        found = {param: st.query_params.get_all(param) for param in self._params}
        return {param: values for param, values in found.items() if values}

    def _values(self) -> dict[str, list[str]]:
        found = {param: self.chosen(param) for param in self._several}
        for param in self._texts:
            text = st.session_state[self._key(param)].strip()[:MAX_TEXT]
            found[param] = [text] if text else []
        for param, default in self._single.items():
            value = st.session_state[self._key(param)]
            found[param] = [] if value == default else [value]
        return {param: found[param] for param in self._params if found[param]}

    def _from_url(self) -> None:
        url = self._url()
        for param in self._params:
            self._set(param, url.get(param, []))
        self.renew()

    def _set(self, param: str, values: Sequence[str]) -> None:
        key = self._key(param)
        if param in self._several:
            st.session_state[key] = list(dict.fromkeys(values))
        elif param in self._texts:
            st.session_state[key] = " ".join(values)[:MAX_TEXT]
        else:
            st.session_state[key] = next(iter(values), self._single[param])
