"""Which Host and Origin are answered: the rule alone, and before an application in this process."""

from __future__ import annotations

import pytest

from discovery.errors import ConfigurationError
from discovery.web.own_names import OwnNames

HERE = OwnNames("127.0.0.1", 8501)
BANK = OwnNames("10.0.0.5", 8501, ["inventory.bank.example", "other.bank.example:8443"])


def is_answered(names: OwnNames, host: str, origin: str | None = None) -> bool:
    """Whether a plain HTTP request with these headers is."""
    return names.refusal([host], [] if origin is None else [origin], "http") is None


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8501", "localhost:8501", "LOCALHOST:8501", "localhost.:8501", "[::1]:8501"],
)
def test_this_machine_answers_to_its_own_names(host: str) -> None:
    """On a loopback address these are the names of the machine for itself, with the port."""
    assert is_answered(HERE, host)
    assert is_answered(HERE, host, "http://127.0.0.1:8501")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8501",
        "localhost.evil.example:8501",
        "evil.localhost:8501",
        "127.0.0.1.evil.example:8501",
        "127.0.0.1:8502",
        "127.0.0.1",
        "localhost",
        "10.0.0.5:8501",
        "2130706433:8501",
        "0x7f.1:8501",
        "localhost:8501@evil.example",
        "localhost:8501, evil.example",
        "localhost:99999",
        "localhost:",
        "",
        "[::1",
        "[fe80::1%25eth0]:8501",
    ],
)
def test_any_other_name_or_port_is_refused_on_this_machine(host: str) -> None:
    """A name that somebody made resolve to 127.0.0.1 is not one of ours, whatever it looks like."""
    assert not is_answered(HERE, host)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "http://127.0.0.1",
        "https://127.0.0.1",
        "http://evil.example:8501",
        "http://127.0.0.1:8501.evil.example",
        "http://localhost:8501@evil.example",
        "http://evil.example#localhost:8501",
        "null",
        "file://",
        "chrome-extension://abc",
        "ftp://localhost:8501",
        "",
    ],
)
def test_a_page_of_another_site_or_port_is_refused(origin: str) -> None:
    """Also one of another server on this machine: its port is another one."""
    assert not is_answered(HERE, "localhost:8501", origin)


@pytest.mark.parametrize(
    ("hosts", "origins"),
    [
        ([], []),
        (["localhost:8501", "localhost:8501"], []),
        (["localhost:8501", "evil.example"], []),
        (["localhost:8501"], ["http://localhost:8501", "http://evil.example"]),
    ],
)
def test_a_header_that_is_missing_or_doubled_is_refused(
    hosts: list[str], origins: list[str]
) -> None:
    """What two parties could read in two ways is read by nobody."""
    assert HERE.refusal(hosts, origins, "http") is not None


def test_beyond_this_machine_addresses_and_the_names_that_were_added_are_answered() -> None:
    """A load balancer's check asks by address; people ask by the name that the settings add."""
    for host in ("10.0.0.5:8501", "10.9.9.9:8501", "[2001:db8::1]:8501"):
        assert is_answered(BANK, host), host
    for host in (
        "inventory.bank.example",
        "inventory.bank.example:8501",
        "other.bank.example:8443",
    ):
        assert is_answered(BANK, host), host
    for host in ("evil.example:8501", "other.bank.example", "10.9.9.9:80", "bank.example:8501"):
        assert not is_answered(BANK, host), host


def test_behind_a_proxy_that_ends_tls_the_page_s_own_origin_is_answered() -> None:
    """The proxy passes the Host without a port, or its own; the Origin says https."""
    public = "https://inventory.bank.example"
    assert is_answered(BANK, "inventory.bank.example", public)
    assert is_answered(BANK, "10.0.0.5:8501", public)
    assert not is_answered(BANK, "inventory.bank.example", "https://evil.example")


def test_a_page_at_an_address_is_none_of_ours() -> None:
    """An attacker has addresses too: as an Origin one counts only when it is the Host."""
    assert is_answered(BANK, "10.0.0.5:8501", "http://10.0.0.5:8501")
    assert not is_answered(BANK, "10.0.0.5:8501", "http://203.0.113.9:8501")


@pytest.mark.parametrize("name", ["https://bank.example", "a b", "bank.example:0", "", "a/b"])
def test_what_is_no_host_name_is_refused_with_its_variable(name: str) -> None:
    """The message names the variable and the value."""
    with pytest.raises(ConfigurationError, match="DISCOVERY_HOST_NAMES="):
        OwnNames("10.0.0.5", 8501, [name])


def test_the_refusal_says_what_to_do() -> None:
    """Who comes by a name that is right finds the setting that says so."""
    refused = HERE.refusal(["tunnel.example:9000"], [], "http")
    assert refused is not None
    assert "tunnel.example:9000" in refused
    assert "DISCOVERY_HOST_NAMES" in refused
