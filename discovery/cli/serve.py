"""`serve`: the dashboard and the REST routes over the tables that the settings name."""

from __future__ import annotations

import click

from discovery.settings import load_settings


@click.command()
@click.option("--port", default=8501, show_default=True, help="Port to listen on; 0: a free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
def serve(port: int, address: str) -> None:
    """Serve the dashboard and the REST routes.

    The routes are at /api. Ctrl-C ends it.

    On any other address than 127.0.0.1, whoever reaches the port reads the inventory: configure
    sign-in first, and put TLS in front of it.

    \b
    Example:
      python -m discovery serve --port 8600
    """
    from discovery.view.server import serve as serve_pages

    load_settings()  # a wrong setting is told here, not on the first page
    serve_pages(port, address=address, on_ready=lambda url: click.echo(f"ready: {url}"))
