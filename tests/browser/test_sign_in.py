"""Sign-in as a person meets it: the way in and back, the way out, a secrets file that breaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from sandbox import Sandbox
from tests.browser.conftest import TIMEOUT_MS
from tests.support.dashboard import Place, place, serving
from tests.support.identity_provider import DASHBOARD, IdentityProvider, identity_provider

MINUTE_MS = 60_000
ROLES = '[roles]\nadmin = ["dba"]\nviewer = ["architects"]\n'


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    """The identity provider."""
    with identity_provider() as running:
        yield running


@pytest.fixture(scope="module")
def dashboard(
    discovered: Sandbox, provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Place, str]]:
    """A server with sign-in over a discovered estate."""
    where = place(tmp_path_factory.mktemp("sign-in"))
    where.secrets.write_text(provider.secrets(DASHBOARD, ROLES), "utf-8")
    with serving(where, discovered.environment) as address:
        yield where, address


@pytest.fixture
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


def test_sign_in_and_out(
    profile: BrowserContext, dashboard: tuple[Place, str], provider: IdentityProvider
) -> None:
    """A link to a filtered page leads through sign-in to that page, filtered, also with a hundred
    groups; signing out in one tab closes the other by itself."""
    _, address = dashboard
    provider.user("alice", *(f"group-{number:032x}" for number in range(100)), "architects")
    page = profile.new_page()
    page.goto(f"{address}/databases?engine=mysql")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Databases")).to_be_visible(timeout=TIMEOUT_MS)
    expect(page).to_have_url(f"{address}/databases?engine=mysql")
    expect(page.get_by_text("Role: viewer")).to_be_visible()
    other = profile.new_page()
    other.goto(f"{address}/coverage")
    expect(other.get_by_role("heading", name="Coverage")).to_be_visible(timeout=TIMEOUT_MS)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=TIMEOUT_MS)
    expect(other.get_by_role("button", name="Sign in")).to_be_visible(timeout=MINUTE_MS)
    expect(other.get_by_role("heading", name="Coverage")).to_have_count(0)


def test_a_secrets_file_that_breaks_closes_the_open_page_and_a_whole_one_opens_it(
    profile: BrowserContext, dashboard: tuple[Place, str], provider: IdentityProvider
) -> None:
    """Without a click: the page says what is broken in which line, and comes back."""
    where, address = dashboard
    provider.user("bob", "dba")
    page = profile.new_page()
    page.goto(f"{address}/rescan")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Start run")).to_be_visible(timeout=TIMEOUT_MS)
    whole = where.secrets.read_text("utf-8")
    where.secrets.write_text(whole.replace("[roles]", "[roles"), "utf-8")
    try:
        expect(page.get_by_text("is not valid TOML, at line 7")).to_be_visible(timeout=MINUTE_MS)
        expect(page.get_by_role("button", name="Start run")).to_have_count(0, timeout=MINUTE_MS)
    finally:
        where.secrets.write_text(whole, "utf-8")
    expect(page.get_by_role("button", name="Start run")).to_be_visible(timeout=MINUTE_MS)
    assert "Traceback" not in where.log
