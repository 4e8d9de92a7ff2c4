"""The estate: the organisation, accounts, hosts and databases that the sandbox simulates.

`estate.toml` declares the demo estate and is the truth that tests compare with.
"""

from sandbox.estate.load import DEFAULT_ESTATE, load_estate
from sandbox.estate.records import (
    Account,
    Behaviour,
    Estate,
    EstateHost,
    Role,
    Scenario,
    Unit,
)
from sandbox.estate.this_machine import this_machine, with_this_machine

__all__ = [
    "DEFAULT_ESTATE",
    "Account",
    "Behaviour",
    "Estate",
    "EstateHost",
    "Role",
    "Scenario",
    "Unit",
    "load_estate",
    "this_machine",
    "with_this_machine",
]
