from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from discovery.errors import DiscoveryError, RunInProgressError
from discovery.model import RunRecord, RunRequest
from discovery.run import cancel_run, start_run_in_background
from discovery.settings import ORGANIZATION
from discovery.view import formatting as fmt
from discovery.view import frames, snapshot
from discovery.view.access import Role
from discovery.view.labels import (
    asked_for,
    changes_found,
    failure_words,
    not_scanned,
    requests_sent,
    skipped_accounts,
    units_used,
)
from discovery.view.rescan import grouped
from discovery.view.snapshot import Snapshot
from pages.components import page, tables

page.require(Role.ADMIN)

_EVERYTHING = "Everything"
_PARTS = "Accounts and regions"
_ONE = "One instance"


def running() -> RunRecord | None:
    """The run in progress, of whichever process."""
    try:
        return snapshot.tables().store.active_run()
    except DiscoveryError as error:
        page.stop_with(error)


def progress(started_with: str | None) -> None:
    """How far the run in progress is. Reloads the page when one begins or ends."""
    run = running()
    if (run.run_id if run else None) != started_with:
        st.rerun()
    if run is None:
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Run in progress", anchor=False, width="stretch")
            if run.cancel_requested:
                st.caption("Cancelling: commands already sent are waited for.", width="content")
            elif st.button("Cancel run"):
                cancel(run)
        elapsed = fmt.lasted((page.now() - run.started_at).total_seconds())
        st.caption(
            fmt.markdown_safe(
                f"{asked_for(run)}, started by {run.trigger} {elapsed} ago on {run.holder}"
            )
        )
        done = run.scopes_done / run.scopes_total if run.scopes_total else 0.0
        st.progress(
            min(done, 1.0),
            text=f"{fmt.number(run.scopes_done)} of {fmt.number(run.scopes_total)} account "
            f"regions · {fmt.number(run.hosts_scanned)} of {fmt.number(run.hosts_targeted)} "
            f"targeted hosts scanned, {fmt.number(run.hosts_failed)} failed · "
            f"{fmt.number(run.databases)} databases",
        )
        silent = (page.now() - run.heartbeat_at).total_seconds()
        if silent > snapshot.settings().lease_seconds:
            st.warning(
                f"No sign of life for {fmt.lasted(silent)}. A run whose process died is closed "
                "when the next one starts."
            )
        scopes = snapshot.tables().store.scopes(run.run_id)
        if scopes:
            tables.table(frames.scopes(scopes), key="scopes", alt="Scopes of this run", rows=12)


def cancel(run: RunRecord) -> None:
    """Ask for the end of `run`."""
    page.require(Role.ADMIN)
    try:
        cancel_run(snapshot.settings(), run.run_id)
    except DiscoveryError as error:
        page.show_error(error)
    else:
        st.rerun()


def form(shown: Snapshot, busy: bool) -> None:
    """What to discover, and the button that starts it."""
    asked = st.query_params.get("instance", "")
    with st.container(border=True):
        st.subheader("New run", anchor=False)
        what = st.segmented_control(
            "What to scan",
            [_EVERYTHING, _PARTS, _ONE],
            default=_ONE if asked else _EVERYTHING,
            key="what",
            required=True,
        )
        request = RunRequest()
        if what == _PARTS:
            request = parts(shown)
        elif what == _ONE:
            request = one_instance(shown, asked)
        ready = what == _EVERYTHING or not request.is_everything
        if st.button("Start run", type="primary", disabled=busy or not ready):
            start(request)


def parts(shown: Snapshot) -> RunRequest:
    """Chosen accounts and regions; none chosen means all of them."""
    left, right = st.columns(2)
    with left:
        accounts = st.multiselect(
            "Accounts", accounts_known(shown), placeholder="All", key="accounts"
        )
    with right:
        regions = st.multiselect("Regions", regions_known(shown), placeholder="All", key="regions")
    return RunRequest(accounts=tuple(accounts), regions=tuple(regions))


def one_instance(shown: Snapshot, asked: str) -> RunRequest:
    """One instance: in its account and region when they are known, else looked for everywhere."""
    wanted = st.text_input("Instance id", value=asked, placeholder="i-0abc123def4567890").strip()
    if not wanted:
        return RunRequest()
    host = next((host for host in shown.hosts if host.instance_id == wanted), None)
    if host is None:
        st.caption("Not seen before: it is looked for in every account and region.")
        return RunRequest(instances=(wanted,))
    name = f"{host.name}, " if host.name else ""
    st.caption(fmt.markdown_safe(f"{name}account {host.account_id}, region {host.region}"))
    return RunRequest((host.account_id,), (host.region,), (wanted,))


def accounts_known(shown: Snapshot) -> Sequence[str]:
    """The accounts that are configured; those of the organisation as far as runs have seen them."""
    configured = snapshot.settings().accounts
    if configured and configured != (ORGANIZATION,):
        return configured
    return sorted({scope.account_id for scope in shown.scopes})


def regions_known(shown: Snapshot) -> Sequence[str]:
    """The regions that are configured; where accounts say it, those that runs have seen."""
    if not snapshot.settings().all_regions:
        return snapshot.settings().scan_regions
    return sorted({scope.region for scope in shown.scopes})


def start(request: RunRequest) -> None:
    """Begin a run, as an admin only, whatever the page showed."""
    page.require(Role.ADMIN)
    try:
        with st.spinner("Starting"):
            start_run_in_background(snapshot.settings(), request, trigger="dashboard")
    except RunInProgressError as error:
        st.error(
            f"A run is in progress since {fmt.exact(error.since)}, held by "
            f"{fmt.markdown_safe(error.holder)}. {fmt.markdown_safe(error.hint)}"
        )
    except DiscoveryError as error:
        page.show_error(error)
    else:
        st.rerun()


def history(runs: Sequence[RunRecord]) -> None:
    """The runs there have been; a selected one in full."""
    st.subheader("Runs", anchor=False)
    if not runs:
        st.caption("No run yet.")
        return
    generation = st.session_state.setdefault("runs-generation", 0)
    row = tables.table(
        frames.runs(runs, page.now()),
        key=f"runs-{generation}-{runs[0].run_id}-{runs[0].status}",
        alt="Runs",
        rows=10,
        selectable=True,
    )
    if row is not None:
        run_drawer(runs[row])


def run_drawer(run: RunRecord) -> None:
    """One run: what failed and why, what it found to be different, what it cost."""

    def close() -> None:
        st.session_state["runs-generation"] += 1

    @st.dialog(f"Run {run.run_id}", width=760, position="right", on_dismiss=close)
    def content() -> None:
        st.markdown(
            f"**{run.status.value.capitalize()}** · {fmt.markdown_safe(asked_for(run))} · started "
            f"by {fmt.markdown_safe(run.trigger)}, {fmt.exact(run.started_at)}"
        )
        if run.error:
            st.error(fmt.markdown_safe(run.error))
        skipped = skipped_accounts(run.accounts_skipped)
        tables.facts(
            ("Count", "Value"),
            [
                ("Account regions", of(run.scopes_done - run.scopes_failed, run.scopes_total)),
                *([("Accounts skipped", skipped)] if skipped else []),
                (
                    "Hosts scanned",
                    f"{of(run.hosts_scanned, run.hosts_targeted)} targeted, "
                    f"{fmt.number(run.hosts_listed)} listed",
                ),
                ("Hosts failed", fmt.number(run.hosts_failed)),
                ("Hosts not scanned", not_scanned(run.not_scanned)),
                ("Databases", fmt.number(run.databases)),
                ("Changes", changes_found(run.changes)),
                (
                    "SSM command calls",
                    f"{fmt.number(run.ssm_command_calls)} for {fmt.number(run.batches)} batches",
                ),
                ("API requests", requests_sent(run)),
                ("DynamoDB units", units_used(run)),
                ("Took", took(run)),
            ],
        )
        store = snapshot.tables().store
        try:
            groups = grouped(store.scopes(run.run_id), store.unscanned_hosts(run.run_id))
            changes = store.changes(run.run_id)
        except DiscoveryError as error:
            page.show_error(error)
            return
        for group in groups:
            st.subheader(f"{failure_words(group.kind)} ({len(group.rows)})", anchor=False)
            st.caption(fmt.markdown_safe(group.kind.hint))
            tables.table(group.frame(), key=f"failed-{group.kind}", alt="Failures", rows=8)
        if changes:
            st.subheader("Changes", anchor=False)
            tables.table(frames.changes(changes), key="run-changes", alt="Changes", rows=10)
        if run.api_calls:
            st.subheader("API requests", anchor=False)
            tables.table(frames.api_calls(run), key="run-calls", alt="API requests", rows=8)

    content()


def took(run: RunRecord) -> str:
    """`3 min 20 s, first host after 12 s`."""
    if run.seconds is None:
        return fmt.DASH
    first = run.first_scanned_seconds
    after = "" if first is None else f", first host after {fmt.lasted(first)}"
    return f"{fmt.lasted(run.seconds)}{after}"


def of(part: int, whole: int) -> str:
    """`3 of 10`."""
    return f"{fmt.number(part)} of {fmt.number(whole)}"


shown = page.current_snapshot()
page.header("Rescan", shown)
active = running()
active_id = active.run_id if active else None
st.fragment(progress, run_every=1.0 if active else 4.0)(active_id)
form(shown, busy=active is not None)
history(
    [
        run
        for run in snapshot.tables().store.recent_runs(snapshot.RUNS_SHOWN)
        if run.run_id != active_id
    ]
)
