"""A visitor without a browser: HTTP, cookies, and Streamlit's WebSocket as its page speaks it."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

ANSWER_SECONDS = 60


@dataclass
class Shown:
    """What a page run sent: every message, and the whole of it as bytes."""

    messages: list[ForwardMsg] = field(default_factory=list)
    data: bytes = b""

    def holds(self, text: str) -> bool:
        """Whether `text` is anywhere in what was sent, in a table too."""
        return text.encode() in self.data

    def says(self, text: str) -> bool:
        """Whether `text` is shown, its marks escaped or not."""
        return text in self.data.decode("utf-8", "replace").replace("\\", "")

    @property
    def redirect(self) -> str:
        """Where the page sends its visitor; empty when nowhere."""
        urls = [each.auth_redirect.url for each in self.messages if each.HasField("auth_redirect")]
        return urls[-1] if urls else ""

    def button(self, label: str) -> str:
        """The id of the button that is called `label`."""
        for message in self.messages:
            element = message.delta.new_element
            if element.HasField("button") and element.button.label == label:
                return str(element.button.id)
        raise AssertionError(f"there is no button {label!r}")


class Visitor:
    """One browser profile: its cookies stay until it is closed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(trust_env=False, timeout=ANSWER_SECONDS, follow_redirects=False)

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, address: str, **headers: str) -> httpx.Response:
        """GET a path of the dashboard, or an address elsewhere; the cookies are kept."""
        full = address if "://" in address else self.url + address
        return self.http.get(full, headers=headers)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies of the dashboard."""
        return dict(self.http.cookies)

    def plant(self, name: str, value: str) -> None:
        """Put a cookie of the dashboard's into the browser."""
        self.http.cookies.set(name, value, domain=str(urlsplit(self.url).hostname))

    def open(self) -> Tab:
        """A tab with this visitor's cookies."""
        self.get("/_stcore/health")  # gives the cookie against forged requests
        return self.tab(self.cookies)

    def tab(self, cookies: dict[str, str]) -> Tab:
        """A tab with just these `cookies`, wherever they come from."""
        return Tab(self.url, cookies)

    def see(self, page: str = "", query: str = "") -> Shown:
        """One page run, in a tab of its own."""
        with self.open() as tab:
            return tab.run(page, query)

    def sign_in(
        self, page: str = "", query: str = "", *, referer: str | None = None
    ) -> httpx.Response:
        """Press "Sign in" on `page` and follow the provider back; the answer that signs in.

        `referer` is what the browser says of the page, if it is not the page's address.
        """
        with self.open() as tab:
            login = tab.press("Sign in", page, query)
        if referer is None:
            referer = f"{self.url}/{page}" + (f"?{query}" if query else "")
        to_provider = self.get(login.redirect, **({"Referer": referer} if referer else {}))
        back = self.get(to_provider.headers["Location"])
        return self.get(back.headers["Location"])


class Tab:
    """One open page: a WebSocket with a session of its own."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        self._cookies = cookies
        self._url = url
        self._open = ExitStack()
        self._socket = self._open.enter_context(self._connect())

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _connect(self) -> AbstractContextManager[ClientConnection]:
        xsrf = SimpleCookie(f"_streamlit_xsrf={self._cookies.get('_streamlit_xsrf', '')}")
        token = xsrf["_streamlit_xsrf"].value if xsrf else ""
        return connect(
            self._url.replace("http", "ws", 1) + "/_stcore/stream",
            origin=Origin(self._url),
            proxy=None,
            subprotocols=[Subprotocol(each) for each in ("streamlit", token) if each],
            additional_headers={
                "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            },
            open_timeout=ANSWER_SECONDS,
            max_size=None,
        )

    def run(self, page: str = "", query: str = "", *, pressed: str = "") -> Shown:
        """Run `page` once, with one button `pressed`, if its id is given."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_name = page
        if pressed:
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = pressed, True
        self._socket.send(message.SerializeToString())
        return self._shown()

    def press(self, label: str, page: str = "", query: str = "") -> Shown:
        """Run `page`, and run it again with the button `label` pressed."""
        return self.run(page, query, pressed=self.run(page, query).button(label))

    def runs_by_itself(self) -> Shown:
        """What the page shows next, without anything having been pressed."""
        return self._shown()

    def ends(self, seconds: float) -> bool:
        """Whether the server ends the connection within `seconds`."""
        try:
            while True:
                self._socket.recv(timeout=seconds)
        except ConnectionClosed:
            return True
        except TimeoutError:
            return False

    def _shown(self) -> Shown:
        shown = Shown()
        while True:
            data = self._socket.recv(timeout=ANSWER_SECONDS)
            assert isinstance(data, bytes)
            message = ForwardMsg.FromString(data)
            shown.messages.append(message)
            shown.data += data
            if message.WhichOneof("type") == "script_finished":
                return shown
