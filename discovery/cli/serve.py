"""`serve`: the dashboard and the REST routes, or the routes alone, over the stored inventory."""

from __future__ import annotations

import click

from discovery.settings import load_settings


@click.command()
@click.option("--port", default=8501, show_default=True, help="Port to listen on; 0: a free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--api-only", is_flag=True, help="Serve the REST routes without the dashboard.")
@click.option("--open-api", is_flag=True, help="Answer /api to everyone who reaches the port.")
def serve(port: int, address: str, api_only: bool, open_api: bool) -> None:
    """Serve the dashboard and the REST routes.

    The routes are at /api. With --api-only there is nothing else, and Streamlit is not needed.
    Ctrl-C ends it.

    On any other address than 127.0.0.1, the dashboard demands sign-in: configure it first, and put
    TLS in front of it. The routes do not ask who calls: there, and with sign-in, they are closed
    unless --open-api says otherwise. Requests are answered under this server's own names only, to
    which DISCOVERY_HOST_NAMES adds.

    \b
    Examples:
      python -m discovery serve --port 8600
      python -m discovery serve --api-only
    """
    load_settings()  # a wrong setting is told here, not on the first page
    if api_only:
        from discovery.view.snapshot import stored_inventory
        from discovery.web import server

        server.serve(
            port, stored_inventory, address=address, open_api=open_api, on_ready=_say_ready
        )
    else:
        from discovery.view.server import serve as serve_pages

        serve_pages(port, address=address, open_api=open_api, on_ready=_say_ready)


def _say_ready(url: str) -> None:
    click.echo(f"ready: {url}")
