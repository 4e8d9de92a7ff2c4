"""Log lines: each says where it belongs, and no text of a host can forge or break one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from discovery.logs import ContextFilter, JsonFormatter, TextFormatter, log_context

HOSTILE = 'x\n{"level": "INFO"}\x1b[2J\u202e' + "long " * 2000


class Kept(logging.Handler):
    """Keeps what its formatter makes of each record."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.addFilter(ContextFilter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append(self.format(record))


@contextmanager
def logger(formatter: logging.Formatter) -> Iterator[tuple[logging.Logger, list[str]]]:
    """A logger of this test's own, and what it writes."""
    kept = Kept(formatter)
    own = logging.getLogger(f"tests.{id(kept)}")
    own.propagate = False
    own.setLevel(logging.INFO)
    own.addHandler(kept)
    yield own, kept.lines
    own.removeHandler(kept)


def test_a_line_carries_the_places_it_was_logged_in() -> None:
    """Inner places join the outer ones and end with their block; other threads have their own."""
    with logger(JsonFormatter()) as (log, lines):
        with log_context(run_id="r1"):
            with log_context(account_id="111111111111", region="eu-west-1"):
                with log_context(instance_id="i-1"):
                    log.info("stored", extra={"databases": 2})
                elsewhere = Thread(target=log.info, args=("elsewhere",))
                elsewhere.start()
                elsewhere.join()
            log.info("done")
        log.info("after")
    stored, other, done, after = map(json.loads, lines)
    places = {"run_id", "account_id", "region", "instance_id"}
    assert {name: stored[name] for name in places} == {
        "run_id": "r1",
        "account_id": "111111111111",
        "region": "eu-west-1",
        "instance_id": "i-1",
    }
    assert (stored["level"], stored["message"], stored["databases"]) == ("INFO", "stored", 2)
    assert places & done.keys() == {"run_id"}
    assert places & other.keys() == places & after.keys() == set()


def test_a_hosts_text_stays_one_bounded_line() -> None:
    """Line breaks, escape sequences, overrides and length of what a host wrote reach no log,
    neither in the message nor in a traceback."""
    for formatter in (JsonFormatter(), TextFormatter()):
        with logger(formatter) as (log, lines), log_context(run_id="r1", instance_id=HOSTILE):
            log.warning("host failed: %s", HOSTILE)
        (line,) = lines
        assert line.isprintable()
        assert len(line) < 3_000
        assert "r1" in line
    with logger(TextFormatter()) as (log, lines):
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.exception("scope failed")
    first, *trace = lines[0].split("\n")
    assert first == f"ERROR {log.name}: scope failed"
    assert all(part.isprintable() for part in trace)
    assert len(lines[0]) < 9_000


def test_a_traceback_is_in_its_json_line() -> None:
    """A defect is one JSON object with the traceback in `exception`."""
    with logger(JsonFormatter()) as (log, lines):
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.exception("scope failed")
    line = json.loads(lines[0])
    assert line["message"] == "scope failed"
    assert "Traceback" not in line["message"]
    assert len(line["exception"]) <= 8_000
