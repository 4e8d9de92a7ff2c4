"""`python -m sandbox`: prints one JSON line of exports when ready."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.estate.load import DEFAULT_ESTATE, load_estate
from sandbox.serve import serve


def _announce(environment: Mapping[str, str]) -> None:
    sys.stdout.write(json.dumps(dict(environment)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--include-this-host", action="store_true", help="add this very machine")
    parser.add_argument("--stop-with-parent", action="store_true", help="end when stdin closes")
    parser.add_argument("--estate", type=Path, default=DEFAULT_ESTATE, help="an estate.toml")
    options = parser.parse_args()
    serve(
        _announce,
        port=options.port,
        include_this_host=options.include_this_host,
        stop_with_parent=options.stop_with_parent,
        estate=load_estate(options.estate),
    )


if __name__ == "__main__":
    main()
