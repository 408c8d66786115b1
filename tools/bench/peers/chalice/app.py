"""The same listing with Chalice."""

import boto3
from chalice import BadRequestError, Chalice

app = Chalice(app_name="custom-models")
paginator = boto3.client("bedrock").get_paginator("list_custom_models")

FILTERS = (
    "creationTimeBefore",
    "creationTimeAfter",
    "nameContains",
    "baseModelArnEquals",
    "foundationModelArnEquals",
    "isOwned",
    "modelStatus",
    "sortBy",
    "sortOrder",
)


@app.route("/v1/custom-models")
def list_custom_models():
    """List the models of one page."""
    query = app.current_request.query_params or {}
    filters = {name: query[name] for name in FILTERS if name in query}
    if "isOwned" in filters:
        filters["isOwned"] = filters["isOwned"] == "true"
    max_items = whole_number(query.get("maxItems", "100"), "maxItems")
    page_size = whole_number(query.get("pageSize", str(max_items)), "pageSize")
    found = paginator.paginate(
        **filters,
        PaginationConfig={"MaxItems": max_items, "PageSize": page_size, "StartingToken": query.get("cursor")},
    ).build_full_result()
    summaries = [{**model, "creationTime": model["creationTime"].isoformat()} for model in found["modelSummaries"]]
    return {"modelSummaries": summaries, "nextCursor": found.get("NextToken")}


def whole_number(text, name):
    """Return a number from 1 to 1000."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise BadRequestError(f"{name} must be a whole number from 1 to 1000")
    return int(text)
