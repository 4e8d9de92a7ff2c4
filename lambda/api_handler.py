"""AWS Lambda behind API Gateway (REST API, proxy integration): the routes of `discovery.web.api`.

Handler: `api_handler.lambda_handler`. The package holds this file at its top, `discovery/` and the
libraries beside it: Lambda puts that folder on the import path by itself.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from discovery.aws.inventory import Inventory
from discovery.aws.session import shared_aws
from discovery.logs import write_through
from discovery.settings import load_settings
from discovery.web import api

MAX_REPLY_BYTES = 5_500_000
"""Lambda refuses a reply over 6 MB, and API Gateway then says only "Internal server error"."""

logger = Logger(service="database-discovery-api")
write_through(logger.registered_handler, logger.log_level)
app = APIGatewayRestResolver()


@app.route(".*", method=["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def reply() -> Response[str]:
    """Every path: which of them exist, `discovery.web.api` knows."""
    request = app.current_event
    params = request.resolved_query_string_parameters
    answer = api.respond(_inventory, request.http_method, request.path, params, _stale_days)
    if len(answer.body.encode()) > MAX_REPLY_BYTES:
        message = "The reply is over 6 MB: ask for one account_id or engine at a time."
        answer = api.json_reply(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, api.error_body("reply_too_large", message)
        )
    logger.info("request", method=request.http_method, path=request.path, status=int(answer.status))
    return Response(int(answer.status), headers=answer.headers, body=answer.body)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One API Gateway proxy event to one proxy reply."""
    return app.resolve(event, context)


def _stale_days() -> int:
    return load_settings().stale_days


def _inventory() -> Inventory:
    return Inventory(shared_aws(load_settings()))
