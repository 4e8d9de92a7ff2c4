from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from discovery.errors import DiscoveryError, RunInProgressError
from discovery.model import RunRecord, RunRequest
from discovery.view import formatting as fmt
from discovery.view import rescan
from discovery.view.access import Role
from discovery.view.actions import cancel_run_as, start_run_as
from discovery.view.failures import FAILURE_COLUMNS, group_failures
from discovery.view.labels import request_label
from discovery.view.snapshot import RUNS_SHOWN, Snapshot, settings, table_reader
from pages.components import page, tables, visitor
from pages.components.errors import show_error, stop_with

page.require(Role.ADMIN)

_EVERYTHING = "Everything"
_PARTS = "Accounts and regions"
_INSTANCE = "One instance"
_REFRESH_SECONDS = 1.0
_IDLE_SECONDS = 4.0


def main() -> None:
    """Start a run, watch it, and see what runs did."""
    snapshot = page.current_snapshot()
    page.header("Rescan", snapshot)
    active = active_run()
    active_id = active.run_id if active else None
    interval = _REFRESH_SECONDS if active else _IDLE_SECONDS
    st.fragment(show_progress, run_every=interval)(active_id)
    show_form(snapshot, busy=active is not None)
    runs = table_reader().runs.recent_runs(RUNS_SHOWN)
    show_runs([run for run in runs if run.run_id != active_id])


def active_run() -> RunRecord | None:
    """The run in progress, of whichever process."""
    try:
        return table_reader().runs.active_run()
    except DiscoveryError as error:
        stop_with(error)


# --- the run in progress --------------------------------------------------------------------------


def show_progress(active_id: str | None) -> None:
    """How far the run in progress is. Reloads the page when one begins or ends."""
    page.require(Role.ADMIN)  # it runs by itself, for as long as the page is open
    run = active_run()
    if (run.run_id if run else None) != active_id:
        st.rerun()
    if run is None:
        return
    now = page.now()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Run in progress", anchor=False, width="stretch")
            if run.cancel_requested:
                st.caption("Cancelling: commands already sent are waited for.", width="content")
            elif st.button("Cancel run"):
                cancel(run)
        st.caption(fmt.markdown_safe(rescan.origin(run, now)))
        st.progress(rescan.share_done(run), text=rescan.progress_text(run))
        if silence := rescan.silence(run, now, settings().lease_seconds):
            st.warning(silence)
        if scopes := table_reader().runs.scopes(run.run_id):
            tables.table(
                rescan.SCOPE_COLUMNS, scopes, key="scopes", alt="Scopes of this run", rows=12
            )


def cancel(run: RunRecord) -> None:
    """Ask for the end of `run`."""
    try:
        cancel_run_as(visitor.actor, settings(), run.run_id)
    except DiscoveryError as error:
        show_error(error)
    else:
        st.rerun()


# --- a new run ------------------------------------------------------------------------------------


def show_form(snapshot: Snapshot, *, busy: bool) -> None:
    """What to discover, and the button that starts it."""
    named = st.query_params.get("instance", "")
    with st.container(border=True):
        st.subheader("New run", anchor=False)
        what = st.segmented_control(
            "What to scan",
            [_EVERYTHING, _PARTS, _INSTANCE],
            default=_INSTANCE if named else _EVERYTHING,
            key="what",
            required=True,
        )
        request = RunRequest()
        if what == _PARTS:
            request = ask_for_parts(snapshot)
        elif what == _INSTANCE:
            request = ask_for_instance(snapshot, named)
        ready = what == _EVERYTHING or not request.is_everything
        if st.button("Start run", type="primary", disabled=busy or not ready):
            start(request)


def ask_for_parts(snapshot: Snapshot) -> RunRequest:
    """Some accounts and regions; none chosen means all of them."""
    accounts = rescan.known_accounts(snapshot, settings())
    regions = rescan.known_regions(snapshot, settings())
    left, right = st.columns(2)
    with left:
        chosen_accounts = st.multiselect("Accounts", accounts, placeholder="All", key="accounts")
    with right:
        chosen_regions = st.multiselect("Regions", regions, placeholder="All", key="regions")
    return RunRequest(accounts=tuple(chosen_accounts), regions=tuple(chosen_regions))


def ask_for_instance(snapshot: Snapshot, named: str) -> RunRequest:
    """One instance, by default the one that the URL names."""
    instance_id = st.text_input(
        "Instance id", value=named, placeholder="i-0abc123def4567890"
    ).strip()
    if not instance_id:
        return RunRequest()
    request, place = rescan.instance_request(snapshot, instance_id)
    st.caption(fmt.markdown_safe(place))
    return request


def start(request: RunRequest) -> None:
    """Begin a run."""
    try:
        with st.spinner("Starting"):
            start_run_as(visitor.actor, settings(), request)
    except RunInProgressError as error:
        st.error(
            f"A run is in progress since {fmt.exact(error.since)}, held by "
            f"{fmt.markdown_safe(error.holder)}. {fmt.markdown_safe(error.hint)}"
        )
    except DiscoveryError as error:
        show_error(error)
    else:
        st.rerun()


# --- the runs there have been ---------------------------------------------------------------------


def show_runs(runs: Sequence[RunRecord]) -> None:
    """The runs there have been; a selected one in full."""
    st.subheader("Runs", anchor=False)
    if not runs:
        st.caption("No run yet.")
        return
    generation = st.session_state.setdefault("runs-generation", 0)
    run = tables.table(
        rescan.RUN_COLUMNS,
        runs,
        key=f"runs-{generation}-{runs[0].run_id}-{runs[0].status}",
        alt="Runs",
        rows=10,
        selectable=True,
    )
    if run is not None:
        show_run(run)


def show_run(run: RunRecord) -> None:
    """One run in a drawer."""

    def close() -> None:
        st.session_state["runs-generation"] += 1

    dialog = st.dialog(f"Run {run.run_id}", width=760, position="right", on_dismiss=close)
    dialog(show_run_facts)(run)


def show_run_facts(run: RunRecord) -> None:
    """What a run did and what it cost, what failed and why, what it found to be different."""
    page.require(Role.ADMIN)
    scope, starter = (
        fmt.markdown_safe(text) for text in (request_label(run.request), rescan.started_by(run))
    )
    st.markdown(
        f"**{run.status.value.capitalize()}** · {scope} · started by {starter}, "
        f"{fmt.exact(run.started_at)}"
    )
    if run.cancelled_by:
        st.caption(fmt.markdown_safe(f"Cancelled by {run.cancelled_by}"))
    if run.error:
        st.error(fmt.markdown_safe(run.error))
    tables.facts(("Count", "Value"), rescan.run_facts(run))
    stored = table_reader().runs
    try:
        failures = group_failures(stored.scopes(run.run_id), stored.unscanned_hosts(run.run_id))
        changes = stored.changes(run.run_id)
    except DiscoveryError as error:
        show_error(error)
        return
    for group in failures:
        st.subheader(f"{group.label} ({len(group.rows)})", anchor=False)
        st.caption(fmt.markdown_safe(group.kind.hint))
        tables.table(
            FAILURE_COLUMNS, group.rows, key=f"failed-{group.kind}", alt="Failures", rows=8
        )
    if changes:
        st.subheader("Changes", anchor=False)
        tables.table(rescan.RUN_CHANGE_COLUMNS, changes, key="run-changes", alt="Changes", rows=10)
    if calls := rescan.api_calls(run):
        st.subheader("API requests", anchor=False)
        tables.table(rescan.API_CALL_COLUMNS, calls, key="run-calls", alt="API requests", rows=8)


main()
