"""What a person does with the dashboard, in a real browser, on the whole product."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.inventory.query import Filter, select
from discovery.model import DatabaseRecord
from discovery.settings import Settings
from discovery.view.labels import requests_sent, units_used
from sandbox import Sandbox
from sandbox.ssm import SandboxHost
from tests.browser.conftest import TIMEOUT_MS, serving
from tests.support.snapshots import database
from tests.support.stored import remove_record, store_records

pytestmark = pytest.mark.xdist_group("browser")
expect.set_options(timeout=TIMEOUT_MS)
HOSTILE = "<script>document.title='owned'</script> **b** http://evil.example"


def known(settings: Settings, where: Filter) -> tuple[DatabaseRecord, ...]:
    """What the inventory holds."""
    return select(Inventory(Aws(settings)).all_records(), where)


def open_page(page: Page, address: str, title: str) -> None:
    """Open an address and wait until the page is drawn."""
    page.goto(address)
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def shows_count(page: Page, count: int) -> None:
    """Wait until the Databases page says that it shows `count` databases."""
    expect(page.get_by_text(re.compile(rf"^{count:,} of [\d,]+ databases"))).to_be_visible()


def cells(page: Page, text: str | None = None) -> Locator:
    """The cells of the table with this text. The table is drawn on a canvas, which holds its texts
    for those who hear it."""
    found = page.locator("[data-testid=stDataFrame] [role=gridcell]")
    return found.filter(has_text=re.compile(rf"^{re.escape(text)}$")) if text else found


def choose(page: Page, filter_key: str, option: str) -> None:
    """Choose an option of a filter."""
    page.locator(f".st-key-{filter_key} input").click()
    page.get_by_role("option", name=option, exact=True).click()
    page.keyboard.press("Escape")


def test_filter_and_download(page: Page, server: str, settings: Settings, tmp_path: Path) -> None:
    """A reader opens the dashboard, filters, sees the table change, and downloads just that."""
    everything = known(settings, Filter())
    wanted = known(settings, Filter(engines=frozenset({"postgresql"})))
    open_page(page, server, "Overview")
    page.get_by_role("link", name="Databases", exact=True).click()
    shows_count(page, len(everything))
    expect(cells(page, "MySQL").first).to_be_attached()

    choose(page, "databases-engine", "PostgreSQL")

    shows_count(page, len(wanted))
    assert parse_qs(urlsplit(page.url).query) == {"engine": ["postgresql"]}
    expect(cells(page, "MySQL")).to_have_count(0)
    expect(cells(page, "PostgreSQL").first).to_be_attached()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    file = tmp_path / "databases.csv"
    download.value.save_as(file)
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {(row["Instance"], row["Database"]) for row in rows} == {
        (record.instance_id, record.db_id) for record in wanted
    }


def test_back_takes_a_filter_back(page: Page, server: str, settings: Settings) -> None:
    """A filter is a step in the browser's history: back shows what was shown before."""
    open_page(page, f"{server}/databases?engine=mysql", "Databases")
    mysql = known(settings, Filter(engines=frozenset({"mysql"})))
    shows_count(page, len(mysql))
    choose(page, "databases-status", "installed")
    shows_count(page, sum(record.status == "installed" for record in mysql))
    page.go_back()
    shows_count(page, len(mysql))


def test_changes_are_filtered_downloaded_and_lead_to_their_database(
    page: Page, server: str, settings: Settings, tmp_path: Path
) -> None:
    """A reader sees what has changed, chooses an engine, takes just that along, and opens the
    record of a changed database; the empty state says since when there was nothing."""
    store = RunStore(Aws(settings))
    found = [change for run in store.recent_runs() for change in store.changes(run.run_id)]
    wanted = [change for change in found if change.engine == "postgresql"]
    open_page(page, server, "Overview")
    page.get_by_role("link", name="Changes", exact=True).click()
    expect(page.get_by_text(f"{len(found):,} of {len(found):,} changes")).to_be_visible()
    choose(page, "changes-engine", "PostgreSQL")
    expect(page.get_by_text(f"{len(wanted):,} of {len(found):,} changes")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query) == {"engine": ["postgresql"]}
    expect(cells(page, "MySQL")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    file = tmp_path / "changes.csv"
    download.value.save_as(file)
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {(row["Instance"], row["Database"], row["Change"]) for row in rows} == {
        (change.instance_id, change.db_id, change.kind.value) for change in wanted
    }

    page.locator("[data-testid=stDataFrame] canvas").first.click(
        position={"x": 15, "y": 48}, force=True
    )
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("PostgreSQL").first).to_be_visible()
    expect(drawer.get_by_role("heading", name="Changes")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["engine"] == ["postgresql"]

    open_page(page, f"{server}/changes?since=2099-01-01", "Changes")
    expect(page.get_by_text("No changes since 2099-01-01 00:00:00 UTC.")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("since=yesterday", "neither a run id nor a date"),
        ("since=20990101T000000.000Z-000000", "does not exist"),
        ("kind=vanished", "no such change"),
    ],
)
def test_a_broken_link_to_changes_says_so(
    page: Page, server: str, query: str, message: str
) -> None:
    """A moment, run or kind that does not exist is told, with a way out."""
    open_page(page, f"{server}/changes?{query}", "Changes")
    expect(page.get_by_text(message)).to_be_visible()
    page.get_by_role("button", name="Reset filters").last.click()
    expect(page.get_by_text(re.compile(r"of [\d,]+ changes"))).to_be_visible()


def test_coverage_and_the_run_name_the_accounts_left_out(page: Page, server: str) -> None:
    """A suspended account of the organisation is said to be skipped, and why."""
    open_page(page, f"{server}/coverage", "Coverage")
    expect(
        page.get_by_text("1 account of the organisation skipped: 1 suspended (980000000001).")
    ).to_be_visible()
    open_page(page, f"{server}/rescan", "Rescan")
    page.locator("[data-testid=stDataFrame] canvas").first.click(
        position={"x": 15, "y": 48}, force=True
    )
    expect(page.get_by_role("dialog").get_by_text("1 suspended")).to_be_visible()


def test_a_click_on_a_bar_filters(page: Page, server: str, settings: Settings) -> None:
    """A click on an engine's bar leads to its databases."""
    open_page(page, server, "Overview")
    page.locator(".st-key-engines .bars .point").first.click(force=True)
    page.wait_for_url(re.compile(r"/databases\?engine="))
    (engine,) = parse_qs(urlsplit(page.url).query)["engine"]
    shows_count(page, len(known(settings, Filter(engines=frozenset({engine})))))


def test_nothing_found_can_be_undone(page: Page, server: str, settings: Settings) -> None:
    """A filter that matches nothing says so, and one click shows everything again."""
    open_page(page, f"{server}/databases?q=no-such-database", "Databases")
    expect(page.get_by_text("No database matches these filters.")).to_be_visible()
    page.get_by_role("button", name="Reset all filters").click()
    shows_count(page, len(known(settings, Filter())))


def test_a_broken_link_says_so(page: Page, server: str) -> None:
    """A value that does not exist is told, not passed over."""
    open_page(page, f"{server}/databases?status=dead", "Databases")
    expect(page.get_by_text("no such status")).to_be_visible()


def test_a_hostile_record_is_text(page: Page, discovered: Sandbox, settings: Settings) -> None:
    """Markup in what a host reports is shown as text: in the table, in charts, and in full."""
    account, region = known(settings, Filter())[0].account_id, settings.home_region
    hostile = database(
        account_id=account,
        region=region,
        run_id="99999999T999999Z-ffffff",
        instance_id="i-0bad0bad0bad0bad0",
        instance_name=HOSTILE,
        engine="<b>evil</b>",
        db_id="evil-1",
        version=HOSTILE,
        data_dir=HOSTILE,
        evidence={"version": HOSTILE},
        tags={HOSTILE: HOSTILE},
    )
    store_records(settings, hostile)
    try:
        with serving(discovered) as address:
            open_page(page, address, "Overview")
            expect(page.get_by_text("<b>evil</b>").first).to_be_visible()
            record = f"{account}%2Fi-0bad0bad0bad0bad0%23evil-1"
            open_page(page, f"{address}/databases?record={record}", "Databases")
            drawer = page.get_by_role("dialog")
            expect(drawer.get_by_text(HOSTILE).first).to_be_visible()
            assert page.get_by_role("link", name="evil.example").count() == 0
            assert page.title() != "owned"
            assert page.locator("b", has_text="evil").count() == 0
    finally:
        remove_record(settings, hostile)


def test_a_run_tells_what_it_cost(page: Page, server: str, settings: Settings) -> None:
    """The newest run, opened from the list, shows its requests by API and its units."""
    (run,) = RunStore(Aws(settings)).recent_runs(1)
    open_page(page, f"{server}/rescan", "Rescan")
    expect(cells(page).first).to_be_attached()
    page.locator("[data-testid=stDataFrame]").last.click(position={"x": 14, "y": 48})
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text(requests_sent(run))).to_be_visible()
    expect(drawer.get_by_text(units_used(run))).to_be_visible()
    expect(cells(page, "dynamodb:TransactWriteItems").first).to_be_attached()


def test_a_rescan_is_watched_and_its_find_is_seen(
    page: Page, server: str, growing_host: SandboxHost, sandbox: Sandbox
) -> None:
    """An admin starts a rescan of an account, watches it, in a second tab too, and sees the
    database that has come since."""
    spec = next(
        one for one in sandbox.estate.hosts() if one.instance_id == growing_host.instance_id
    )
    new = spec.databases[1]
    open_page(page, f"{server}/databases?q={spec.instance_id}", "Databases")
    shows_count(page, 1)
    growing_host.rebuild(spec)
    growing_host.delay_seconds = 120.0  # simulated: 6 s of a run to watch

    open_page(page, f"{server}/rescan", "Rescan")
    page.get_by_text("Accounts and regions", exact=True).click()
    choose(page, "accounts", spec.account_id)
    page.get_by_role("button", name="Start run").click()

    progress = "Run in progress"
    expect(page.get_by_role("heading", name=progress)).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d of \d account regions"))).to_be_visible()
    expect(page.get_by_role("button", name="Start run")).to_be_disabled()
    other = page.context.new_page()
    open_page(other, f"{server}/rescan", "Rescan")
    expect(other.get_by_role("heading", name=progress)).to_be_visible()
    expect(page.get_by_role("heading", name=progress)).to_be_hidden(timeout=120_000)
    expect(cells(page, "dashboard").first).to_be_attached()

    open_page(page, f"{server}/databases?q={spec.instance_id}", "Databases")
    shows_count(page, 2)
    expect(cells(page, new.version).first).to_be_attached()


def test_a_run_is_cancelled_after_a_reload(
    page: Page, server: str, growing_host: SandboxHost
) -> None:
    """A run that nobody would wait for outlives a reload of its page, and ends when it is told."""
    usual, growing_host.delay_seconds = growing_host.delay_seconds, 6000.0
    try:
        open_page(page, f"{server}/rescan", "Rescan")
        page.get_by_text("Accounts and regions", exact=True).click()
        choose(page, "accounts", growing_host.account_id)
        page.get_by_role("button", name="Start run").click()
        progress = page.get_by_role("heading", name="Run in progress")
        expect(progress).to_be_visible()
        page.reload()
        expect(progress).to_be_visible()
        page.get_by_role("button", name="Cancel run").click()
        expect(progress).to_be_hidden()
        expect(cells(page, "Cancelled").first).to_be_attached()
    finally:
        growing_host.delay_seconds = usual


def test_a_viewer_is_refused_first_thing_on_a_fresh_server(page: Page, discovered: Sandbox) -> None:
    """Where nobody is an admin, the admin page's address, opened first of all, shows a refusal."""
    with serving(discovered, DISCOVERY_SANDBOX="") as address:
        open_page(page, f"{address}/rescan", "Not allowed")
        expect(page.get_by_role("button", name="Start run")).to_have_count(0)
        expect(page.get_by_text("Page not found")).to_have_count(0)
        expect(page.get_by_role("link", name="Rescan")).to_have_count(0)
        expect(page.get_by_text("View as")).to_have_count(0)


def test_an_admin_can_see_the_pages_as_a_viewer(page: Page, server: str) -> None:
    """In the sandbox, a link can show what viewers see; switching back brings the page back."""
    open_page(page, f"{server}/rescan?as=viewer", "Not allowed")
    expect(page.get_by_role("link", name="Rescan")).to_have_count(0)
    page.get_by_role("radio", name="admin").click()
    expect(page.get_by_role("heading", name="Rescan", exact=True)).to_be_visible()


@pytest.mark.parametrize("path", ["", "databases", "changes", "coverage", "rescan"])
def test_pages_fit_a_narrow_window(page: Page, server: str, path: str) -> None:
    """At 768 wide no page scrolls sideways."""
    page.set_viewport_size({"width": 768, "height": 1000})
    open_page(page, f"{server}/{path}", path.capitalize() or "Overview")
    page.wait_for_load_state("networkidle")
    wide = "[...document.querySelectorAll('[data-testid=stMain], body')]"
    assert page.evaluate(f"{wide}.every(one => one.scrollWidth <= one.clientWidth)")


def test_pages_ask_no_other_server(page: Page, server: str) -> None:
    """Nothing is fetched from elsewhere: the dashboard works where there is no internet."""
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    for path, title in (("", "Overview"), ("/databases", "Databases"), ("/coverage", "Coverage")):
        open_page(page, server + path, title)
        page.wait_for_load_state("networkidle")
    assert asked - {""} == {urlsplit(server).netloc}


@pytest.mark.parametrize("path", ["/", "/databases", "/changes", "/coverage", "/rescan"])
def test_pages_keep_to_their_policy(page: Page, server: str, path: str) -> None:
    """Under the Content-Security-Policy a page shows all it has: the browser refuses nothing."""
    refused: list[str] = []
    page.on(
        "console",
        lambda message: (
            refused.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    page.goto(f"{server}{path}", wait_until="networkidle")
    page.locator("h1").first.wait_for()
    page.get_by_test_id("stAppRunningIcon").wait_for(state="detached")
    page.wait_for_load_state("networkidle")
    assert refused == []
    # Text that becomes a script is refused. A script element is what an injection would make.
    page.evaluate(
        "() => { const one = document.createElement('script');"
        "one.textContent = 'window.wasRun = true'; document.body.append(one) }"
    )
    assert page.evaluate("() => window.wasRun") is None
    assert len(refused) == 1
