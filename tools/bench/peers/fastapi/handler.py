"""The same listing with FastAPI, behind Mangum."""

from typing import Annotated

import boto3
from fastapi import FastAPI, Query
from listing import ListingQuery, Page
from mangum import Mangum

app = FastAPI(title="Custom models")
paginator = boto3.client("bedrock").get_paginator("list_custom_models")


@app.get("/v1/custom-models")
def list_custom_models(query: Annotated[ListingQuery, Query()]) -> Page:
    """List the models of one page."""
    found = paginator.paginate(**query.arguments()).build_full_result()
    return Page(modelSummaries=found["modelSummaries"], nextCursor=found.get("NextToken"))


handler = Mangum(app, lifespan="off")
