"""Sign-in against a real provider and a real server: whatever happens to the secrets files, nobody
who has not signed in gets a row."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api_records import ACCOUNT, ALL_KINDS
from tests.support.dashboard import Place, place, refused, serving, streamlit_run
from tests.support.effort import IS_FULL
from tests.support.identity_provider import (
    CLIENT_SECRET,
    COOKIE_SECRET,
    DASHBOARD,
    IdentityProvider,
)
from tests.support.real_servers import free_port
from tests.support.visitor import Visitor

ROLES = '[roles]\nadmin = ["dba"]\nviewer = ["architects"]\n'
ROW = ALL_KINDS[0].instance_id
WATCH_SECONDS = 7 if IS_FULL else 0
"""Streamlit's own watcher looks every five seconds."""

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def running(
    exports: dict[str, str], provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Place, str]]:
    """A server that was configured when it started."""
    where = place(tmp_path_factory.mktemp("configured"))
    where.secrets.write_text(provider.secrets(DASHBOARD, ROLES), "utf-8")
    with serving(where, exports) as address:
        yield where, address


# --- what can happen to a secrets file ------------------------------------------------------------


def _delete(file: Path) -> None:
    file.unlink()


def _section_open(file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace("[roles]", "[roles"), "utf-8")


def _cut_in_a_text(file: Path) -> None:
    text = file.read_text("utf-8")
    file.write_text(text[: text.index(CLIENT_SECRET) + 4], "utf-8")


def _cut_after_a_line(file: Path) -> None:
    text = file.read_text("utf-8")
    file.write_text(text[: text.index("client_secret")], "utf-8")


def _cut_before_the_roles(file: Path) -> None:
    text = file.read_text("utf-8")
    file.write_text(text[: text.index("[roles]")], "utf-8")


def _empty(file: Path) -> None:
    file.write_text("", "utf-8")


def _without_auth(file: Path) -> None:
    file.write_text(ROLES, "utf-8")


def _byte_order_mark(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())


def _not_utf8(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b'[other]\nname = "\xff"\n')


def _no_client_id(file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace("client_id", "client"), "utf-8")


def _empty_cookie_secret(file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace(COOKIE_SECRET, ""), "utf-8")


def _short_cookie_secret(file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace(COOKIE_SECRET, "xxx"), "utf-8")


def _auth_is_no_section(file: Path) -> None:
    file.write_text(f"auth = true\n{ROLES}", "utf-8")


def _wrong_roles(file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace('["dba"]', '"dba"'), "utf-8")


def _a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _link_to_nothing(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.parent / "nothing.toml")


def _link_to_another(file: Path) -> None:
    other = file.parent / "other.toml"
    other.write_text('[other]\nname = "value"\n', "utf-8")
    file.unlink()
    file.symlink_to(other)


def _unreadable(file: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    file.chmod(0)


def _folder_gone(file: Path) -> None:
    file.parent.rename(file.parent.with_name("moved"))


BREAKS = (
    _section_open,
    _cut_in_a_text,
    _cut_after_a_line,
    _empty,
    _without_auth,
    _byte_order_mark,
    _not_utf8,
    _no_client_id,
    _empty_cookie_secret,
    _short_cookie_secret,
    _auth_is_no_section,
    _wrong_roles,
    _a_folder,
    _a_pipe,
    _link_to_nothing,
    _link_to_another,
    _unreadable,
)
"""Each leaves something where the secrets file was."""
BREAKS_WHILE_RUNNING = (*BREAKS, _delete, _cut_before_the_roles, _folder_gone)


def mend(where: Place, text: str) -> None:
    """Put a whole secrets file back, whatever is there."""
    file = where.secrets
    moved = file.parent.with_name("moved")
    if moved.exists():
        moved.rename(file.parent)
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    new = file.with_name("new.toml")
    new.write_text(text, "utf-8")
    new.replace(file)


# --- closed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", BREAKS_WHILE_RUNNING, ids=lambda each: each.__name__.strip("_"))
def test_a_file_that_breaks_closes_the_pages_until_it_is_mended(
    running: tuple[Place, str], provider: IdentityProvider, damage: Callable[[Path], None]
) -> None:
    """No stranger and no signed-in visitor gets a row while the secrets are broken; the page names
    the file and no secret. A whole file opens the pages again, for who signs in."""
    where, address = running
    whole = provider.secrets(DASHBOARD, ROLES)
    provider.user("alice", "architects")
    with Visitor(address) as alice, Visitor(address) as stranger, alice.open() as open_tab:
        alice.sign_in("databases")
        assert alice.see("databases").holds(ROW)
        open_tab.run("databases")
        try:
            damage(where.secrets)
            until = time.monotonic() + WATCH_SECONDS
            while True:
                for page in ("", "databases", "changes", "coverage", "rescan"):
                    assert not stranger.see(page).holds(ACCOUNT)
                assert not open_tab.run("databases").holds(ROW)
                shown = alice.see("databases")
                assert not shown.holds(ROW)
                if time.monotonic() >= until:
                    break
            assert shown.says("secrets.toml")
            assert not shown.says(CLIENT_SECRET)
            assert not shown.says(COOKIE_SECRET)
        finally:
            mend(where, whole)
        assert not stranger.see("databases").holds(ROW)
        assert alice.see("databases").holds(ROW)


@pytest.mark.parametrize("damage", BREAKS, ids=lambda each: each.__name__.strip("_"))
def test_a_server_does_not_start_on_a_broken_file(
    exports: dict[str, str],
    provider: IdentityProvider,
    tmp_path: Path,
    damage: Callable[[Path], None],
) -> None:
    """`serve` ends with exit code 2 and names the file, and none of its secrets."""
    where = place(tmp_path)
    where.secrets.write_text(provider.secrets(DASHBOARD, ROLES), "utf-8")
    damage(where.secrets)
    code, said = refused(where, exports)
    assert (code, "ready:" in said) == (2, False), said
    assert "secrets.toml" in said
    assert CLIENT_SECRET not in said
    assert COOKIE_SECRET not in said


def test_the_line_of_a_mistake_is_told(
    exports: dict[str, str], provider: IdentityProvider, tmp_path: Path
) -> None:
    """The error says where in the file the mistake is."""
    where = place(tmp_path)
    where.secrets.write_text(provider.secrets(DASHBOARD, "[roles\n"), "utf-8")
    assert f"{where.secrets} is not valid TOML, at line 7" in refused(where, exports)[1]


def test_a_broken_file_of_the_user_counts_too(
    exports: dict[str, str], provider: IdentityProvider, tmp_path: Path
) -> None:
    """Every file that Streamlit would read must be whole."""
    where = place(tmp_path)
    where.secrets.write_text(provider.secrets(DASHBOARD), "utf-8")
    where.home_secrets.write_text("[auth", "utf-8")
    code, said = refused(where, exports)
    assert code == 2
    assert str(where.home_secrets) in said


def test_a_file_that_is_set_elsewhere_counts(
    exports: dict[str, str], provider: IdentityProvider, tmp_path: Path
) -> None:
    """`secrets.files` of Streamlit's configuration says which files they are."""
    where = place(tmp_path)
    where.secrets.write_text(provider.secrets(DASHBOARD), "utf-8")
    config = where.secrets.with_name("config.toml")
    config.write_text(f'[secrets]\nfiles = ["{tmp_path}/vault.toml"]\n', "utf-8")
    (tmp_path / "vault.toml").write_text("[auth", "utf-8")
    code, said = refused(where, exports)
    assert code == 2
    assert "vault.toml" in said


def test_sign_in_of_the_user_s_file_holds(
    exports: dict[str, str], provider: IdentityProvider, tmp_path: Path
) -> None:
    """[auth] in ~/.streamlit demands sign-in; taken away, another file does not stand in for it."""
    where = place(tmp_path)
    where.home_secrets.write_text(provider.secrets(DASHBOARD), "utf-8")
    with serving(where, exports) as address, Visitor(address) as stranger:
        assert not stranger.see("databases").holds(ROW)
        where.home_secrets.unlink()
        assert not stranger.see("databases").holds(ROW)
        where.secrets.write_text(provider.secrets(DASHBOARD), "utf-8")
        shown = stranger.see("databases")
        assert not shown.holds(ROW)
        assert shown.says(str(where.home_secrets))


def test_a_file_that_appears_is_obeyed_at_once(
    exports: dict[str, str], provider: IdentityProvider, tmp_path: Path
) -> None:
    """A server without sign-in lets everyone read; from the first moment of a secrets file on,
    even a broken one, nobody who has not signed in, also once it is deleted."""
    where = place(tmp_path)
    with serving(where, exports) as address, Visitor(address) as stranger:
        assert stranger.see("databases").holds(ROW)
        where.secrets.write_text("[auth", "utf-8")
        assert not stranger.see("databases").holds(ROW)
        where.secrets.unlink()
        assert not stranger.see("databases").holds(ROW)
        where.secrets.write_text(provider.secrets(DASHBOARD), "utf-8")
        assert stranger.see("databases").button("Sign in")


# --- demanded -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ((), {"DISCOVERY_REQUIRE_SIGN_IN": "true"}),
        (("--address", "0.0.0.0"), {}),  # noqa: S104
        (("--address", "::"), {}),
    ],
    ids=["setting", "every address", "every address of IPv6"],
)
def test_sign_in_that_is_demanded_must_be_configured(
    exports: dict[str, str], tmp_path: Path, options: tuple[str, ...], setting: dict[str, str]
) -> None:
    """A setting demands sign-in; so does an address that other machines reach."""
    code, said = refused(place(tmp_path), exports | setting, *options)
    assert (code, "ready:" in said) == (2, False), said
    assert "[auth]" in said


def test_on_purpose_everyone_may_read(exports: dict[str, str], tmp_path: Path) -> None:
    """`DISCOVERY_REQUIRE_SIGN_IN=false` serves others without sign-in, and with a secrets file that
    is about something else; a broken one closes the pages all the same."""
    where = place(tmp_path)
    where.secrets.write_text('[other]\nname = "value"\n', "utf-8")
    allowed = exports | {"DISCOVERY_REQUIRE_SIGN_IN": "false"}
    with serving(where, allowed) as address, Visitor(address) as stranger:
        assert stranger.see("databases").holds(ROW)
        where.secrets.write_text("[auth", "utf-8")
        assert not stranger.see("databases").holds(ROW)


@pytest.mark.parametrize(
    ("secrets", "setting"), [("[auth", ""), ("", "true")], ids=["broken", "demanded"]
)
def test_streamlit_s_own_server_closes_the_pages(
    exports: dict[str, str], tmp_path: Path, secrets: str, setting: str
) -> None:
    """`streamlit run dashboard.py` starts, and shows the error instead of data."""
    where = place(tmp_path)
    if secrets:
        where.secrets.write_text(secrets, "utf-8")
    demanded = exports | {"DISCOVERY_REQUIRE_SIGN_IN": setting}
    with streamlit_run(where, demanded, free_port()) as address, Visitor(address) as stranger:
        for page in ("", "databases", "changes", "coverage", "rescan"):
            shown = stranger.see(page)
            assert not shown.holds(ACCOUNT)
            assert shown.says("[auth]") or shown.says("secrets.toml")
