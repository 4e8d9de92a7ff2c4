"""One sign-in, from the page that was asked for to its end, against a real provider and server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.api_records import ALL_KINDS
from tests.support.dashboard import Place, place, serving
from tests.support.identity_provider import DASHBOARD, IdentityProvider
from tests.support.visitor import Visitor

ROW = ALL_KINDS[0].instance_id
MINUTE = 60
MANY = tuple(str(uuid.uuid4()) for _ in range(1200))
"""Groups as Entra ID names them: nothing to compress."""
ROLES = f"""
[roles]
admin = ["dba"]
viewer = ["architects", {", ".join(f'"{group}"' for group in MANY)}]
"""

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def running(
    exports: dict[str, str], provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Place, str]]:
    """A server with sign-in."""
    where = place(tmp_path_factory.mktemp("configured"))
    where.secrets.write_text(provider.secrets(DASHBOARD, ROLES), "utf-8")
    with serving(where, exports) as address:
        yield where, address


@pytest.fixture
def visitor(running: tuple[Place, str]) -> Iterator[Visitor]:
    """A fresh visitor of the server."""
    with Visitor(running[1]) as fresh:
        yield fresh


# --- in -------------------------------------------------------------------------------------------


def test_sign_in_returns_to_the_page_and_filter(
    visitor: Visitor, provider: IdentityProvider
) -> None:
    """Who asks for a filtered page gets that page, filtered, once signed in."""
    provider.user("alice", "architects")
    answer = visitor.sign_in("databases", "engine=mysql&q=a%20b")
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        "/databases?engine=mysql&q=a%20b",
    )
    assert visitor.see("databases", "engine=mysql").holds(ROW)
    assert "discovery_return" not in visitor.cookies


@pytest.mark.parametrize(
    "referer",
    [
        "https://evil.example/databases",
        "{here}.evil.example/databases",
        "http://user@{host}/databases",
        "{here}//evil.example/",
        "{here}/\\evil.example/",
        "{here}/\t/evil.example/",
        "{here}/auth/logout",
        "javascript:alert(1)",
        "http://[::1",
        "",
    ],
)
def test_sign_in_never_leads_elsewhere(
    visitor: Visitor, provider: IdentityProvider, referer: str
) -> None:
    """Another site's page, or a path that a browser reads as another site, leads to /."""
    provider.user("alice", "architects")
    named = referer.format(here=visitor.url, host=visitor.url.removeprefix("http://"))
    assert visitor.sign_in(referer=named).headers["Location"] == "/"


@pytest.mark.parametrize(
    "value", ["//evil.example", "%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil"]
)
def test_a_forged_way_back_is_not_taken(
    visitor: Visitor, provider: IdentityProvider, value: str
) -> None:
    """The cookie that remembers the page is not trusted either."""
    provider.user("alice", "architects")
    visitor.plant("discovery_return", value)
    assert visitor.sign_in(referer="").headers["Location"] == "/"


@pytest.mark.parametrize("count", [1, 100, 400, 2000])
def test_many_groups_sign_in(visitor: Visitor, provider: IdentityProvider, count: int) -> None:
    """A user of very many groups signs in as one of few does: only those that [roles] names are
    kept, and the tokens only where they are short."""
    others = [str(uuid.uuid4()) for _ in range(count)]
    provider.user("alice", *others, "architects", picture="x" * 3000)
    visitor.sign_in("databases")
    assert visitor.see("databases").holds(ROW)
    assert sum(map(len, visitor.cookies.values())) < 8192


def test_what_an_earlier_sign_in_left_is_deleted(
    visitor: Visitor, provider: IdentityProvider
) -> None:
    """Pieces of a larger cookie do not stay for its thirty days."""
    provider.user("alice", "architects")
    visitor.plant("_streamlit_user_1", "x" * 3000)
    visitor.plant("_streamlit_user_tokens_2", "x" * 3000)
    visitor.sign_in("databases")
    assert {"_streamlit_user_1", "_streamlit_user_tokens_2"}.isdisjoint(visitor.cookies)


def test_a_sign_in_that_is_still_too_large_says_so(
    running: tuple[Place, str], visitor: Visitor, provider: IdentityProvider
) -> None:
    """Very many groups that [roles] all names: a page and the log say that it is too much."""
    provider.user("alice", *MANY)
    answer = visitor.sign_in("databases")
    assert answer.status_code == 403
    assert "name fewer groups in [roles]" in answer.text
    assert "a sign-in was refused: its cookies take" in running[0].log


def test_many_cookies_are_read(visitor: Visitor, provider: IdentityProvider) -> None:
    """What other applications of the same host leave in the browser does not close the pages."""
    provider.user("alice", "architects")
    visitor.sign_in("databases")
    for number in range(7):
        visitor.plant(f"other{number}", "x" * 4000)
    assert visitor.see("databases").holds(ROW)


def test_too_many_cookies_are_refused_with_a_page(
    running: tuple[Place, str], visitor: Visitor
) -> None:
    """Beyond what is read, the page says so, the sign-in's cookies go, and the log has it; the
    WebSocket is refused and not left without an answer."""
    visitor.get("/_stcore/health")
    for number in range(10):
        visitor.plant(f"_streamlit_user_{number}", "x" * 4000)
    cookies = visitor.cookies
    with pytest.raises(InvalidStatus):
        visitor.tab(cookies)
    answer = visitor.get("/databases")
    assert answer.status_code == 431
    assert "Too many cookies" in answer.text
    assert visitor.get("/databases").status_code == 200
    assert "a request was refused: its cookies take" in running[0].log


# --- no role --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"groups": ["sales"]}, "the claim 'groups' of the identity token holds none"),
        ({"groups": []}, "the claim 'groups' of the identity token holds none"),
        ({"groups": None}, "the claim 'groups' of the identity token holds none"),
        ({}, "the identity token has no claim 'groups'"),
        ({"_claim_names": {"groups": "src1"}}, "members of very many groups"),
        ({"hasgroups": True}, "members of very many groups"),
    ],
)
def test_who_has_no_role_is_told_which_claim_would_give_one(
    visitor: Visitor, provider: IdentityProvider, claims: dict[str, object], told: str
) -> None:
    """Signed in without a role: who one is, and which claim is missing; no way in a circle."""
    provider.claims = {"sub": "bob", "email": "bob@example.com"} | claims
    provider.lifetime = 3600
    visitor.sign_in("databases")
    shown = visitor.see("databases")
    assert shown.says("You are signed in as bob@example.com and have no role here")
    assert shown.says(told)
    assert not shown.holds(ROW)
    assert shown.button("Sign out")
    with pytest.raises(AssertionError, match="there is no button"):
        shown.button("Sign in")


# --- out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["button", "address"])
def test_signing_out_ends_every_tab_and_copy(
    visitor: Visitor, provider: IdentityProvider, way: str
) -> None:
    """Within a minute of signing out in one tab, the others are ended, and a copy of the cookie
    opens nothing. Another sign-in of the same user goes on."""
    provider.user("alice", "architects")
    visitor.sign_in("databases")
    with Visitor(visitor.url) as elsewhere, visitor.open() as other_tab:
        elsewhere.sign_in("databases")
        copied = visitor.cookies
        assert other_tab.run("databases").holds(ROW)
        if way == "button":
            with visitor.open() as tab:
                assert tab.press("Sign out", "databases").redirect == "/auth/logout"
        else:
            visitor.get("/auth/logout")
        assert other_tab.ends(MINUTE)
        with visitor.tab(copied) as stolen:
            shown = stolen.run("databases")
        assert shown.button("Sign in")
        assert not shown.holds(ROW)
        assert elsewhere.see("databases").holds(ROW)


def test_a_token_that_expires_ends_the_open_page(
    visitor: Visitor, provider: IdentityProvider
) -> None:
    """An open page does not outlive the identity token by more than a minute; loaded again, it asks
    for sign-in."""
    provider.user("alice", "architects", lifetime=12)
    visitor.sign_in("databases")
    with visitor.open() as tab:
        tab.run("databases")
        assert tab.runs_by_itself().button("Sign in")
        assert tab.ends(MINUTE)
    assert visitor.see("databases").button("Sign in")


def test_an_open_page_says_that_the_file_is_broken_and_comes_back(
    running: tuple[Place, str], visitor: Visitor, provider: IdentityProvider
) -> None:
    """What is open when the secrets break closes by itself, and opens with a whole file."""
    where, _ = running
    whole = where.secrets.read_text("utf-8")
    provider.user("alice", "architects")
    visitor.sign_in("databases")
    with visitor.open() as tab:
        assert tab.run("databases").holds(ROW)
        where.secrets.write_text("[auth", "utf-8")
        try:
            shown = tab.runs_by_itself()
            assert shown.says("is not valid TOML")
            assert not shown.holds(ROW)
        finally:
            where.secrets.write_text(whole, "utf-8")
        assert tab.runs_by_itself().holds(ROW)


def test_a_role_that_is_taken_closes_the_open_page(
    running: tuple[Place, str], visitor: Visitor, provider: IdentityProvider
) -> None:
    """Who loses a role in [roles] loses the open page with it."""
    where, _ = running
    whole = where.secrets.read_text("utf-8")
    provider.user("alice", "dba")
    visitor.sign_in("rescan")
    with visitor.open() as tab:
        assert tab.run("rescan").button("Start run")
        where.secrets.write_text(whole.replace('"dba"', '"others"'), "utf-8")
        try:
            shown = tab.runs_by_itself()
            assert shown.says("no role here")
            assert not shown.says("Start run")
        finally:
            where.secrets.write_text(whole, "utf-8")


# --- what only an admin may do --------------------------------------------------------------------


def test_a_button_that_was_shown_does_nothing_once_the_token_has_expired(
    visitor: Visitor, provider: IdentityProvider
) -> None:
    """The page was opened by an admin; pressed after the token's expiry, or after signing out
    elsewhere, "Start run" starts none and sign-in is asked for."""
    provider.user("alice", "dba")
    visitor.sign_in("rescan")
    with visitor.open() as tab:
        button = tab.run("rescan").button("Start run")
        visitor.get("/auth/logout")
        shown = tab.run("rescan", pressed=button)
    assert shown.button("Sign in")
    assert not shown.says("Run in progress")
    provider.user("alice", "dba")
    visitor.sign_in("rescan")
    shown = visitor.see("rescan")
    assert shown.button("Start run")
    assert shown.says("No run yet.")
