"""The REST API: routes, and a web server that needs no dashboard."""
