"""The same listing with AWS Lambda Powertools: resolver, validation by pydantic, logger and metrics."""

from datetime import datetime
from typing import Annotated, Literal

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

logger = Logger()
metrics = Metrics()
app = APIGatewayRestResolver(enable_validation=True)
paginator = boto3.client("bedrock").get_paginator("list_custom_models")


class Summary(BaseModel):
    """One model."""

    model_config = ConfigDict(alias_generator=to_camel, protected_namespaces=())

    model_arn: str
    model_name: str
    creation_time: datetime
    base_model_arn: str
    base_model_name: str
    customization_type: str | None = None
    owner_account_id: str | None = None
    model_status: str | None = None


class Page(BaseModel):
    """Some models, and where to go on."""

    model_config = ConfigDict(alias_generator=to_camel, protected_namespaces=())

    model_summaries: list[Summary]
    next_cursor: str | None = None


@app.get("/v1/custom-models")
def list_custom_models(  # noqa: PLR0917
    created_before: Annotated[datetime | None, Query(alias="creationTimeBefore")] = None,
    created_after: Annotated[datetime | None, Query(alias="creationTimeAfter")] = None,
    name_contains: Annotated[str | None, Query(alias="nameContains", min_length=1, max_length=63)] = None,
    base_arn: Annotated[str | None, Query(alias="baseModelArnEquals")] = None,
    foundation_arn: Annotated[str | None, Query(alias="foundationModelArnEquals")] = None,
    is_owned: Annotated[bool | None, Query(alias="isOwned")] = None,
    status: Annotated[Literal["Active", "Creating", "Failed"] | None, Query(alias="modelStatus")] = None,
    sort_by: Annotated[Literal["CreationTime"] | None, Query(alias="sortBy")] = None,
    sort_order: Annotated[Literal["Ascending", "Descending"] | None, Query(alias="sortOrder")] = None,
    max_items: Annotated[int, Query(alias="maxItems", ge=1, le=1000)] = 100,
    page_size: Annotated[int | None, Query(alias="pageSize", ge=1, le=1000)] = None,
    cursor: Annotated[str | None, Query(max_length=4096)] = None,
) -> Page:
    """List the models of one page."""
    filters = {
        "creationTimeBefore": created_before,
        "creationTimeAfter": created_after,
        "nameContains": name_contains,
        "baseModelArnEquals": base_arn,
        "foundationModelArnEquals": foundation_arn,
        "isOwned": is_owned,
        "modelStatus": status,
        "sortBy": sort_by,
        "sortOrder": sort_order,
    }
    found = paginator.paginate(
        **{name: value for name, value in filters.items() if value is not None},
        PaginationConfig={"MaxItems": max_items, "PageSize": page_size or max_items, "StartingToken": cursor},
    ).build_full_result()
    metrics.add_metric(name="Items", unit=MetricUnit.Count, value=len(found["modelSummaries"]))
    logger.info("listed", items=len(found["modelSummaries"]))
    return Page(modelSummaries=found["modelSummaries"], nextCursor=found.get("NextToken"))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    """Answer an event."""
    return app.resolve(event, context)
