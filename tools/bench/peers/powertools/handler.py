"""The same listing with AWS Lambda Powertools: resolver, validation by pydantic, logger and metrics."""

from typing import Annotated

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from listing import ListingQuery, Page

logger = Logger()
metrics = Metrics()
app = APIGatewayRestResolver(enable_validation=True)
paginator = boto3.client("bedrock").get_paginator("list_custom_models")


@app.get("/v1/custom-models")
def list_custom_models(query: Annotated[ListingQuery, Query()]) -> Page:
    """List the models of one page."""
    found = paginator.paginate(**query.arguments()).build_full_result()
    metrics.add_metric(name="Items", unit=MetricUnit.Count, value=len(found["modelSummaries"]))
    logger.info("listed", items=len(found["modelSummaries"]))
    return Page(modelSummaries=found["modelSummaries"], nextCursor=found.get("NextToken"))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    """Respond to an event."""
    return app.resolve(event, context)
