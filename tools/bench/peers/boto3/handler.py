"""The bare handler: boto3, and nothing around it."""

import json

import boto3

client = boto3.client("bedrock")

RENAMED = {"maxItems": "maxResults", "cursor": "nextToken"}


def handler(event, context):
    """List the models of one page."""
    query = event.get("queryStringParameters") or {}
    arguments = {RENAMED.get(name, name): value for name, value in query.items()}
    if "maxResults" in arguments:
        arguments["maxResults"] = int(arguments["maxResults"])
    page = client.list_custom_models(**arguments)
    body = {"modelSummaries": page["modelSummaries"]}
    if "nextToken" in page:
        body["nextCursor"] = page["nextToken"]
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body, default=str),
    }


def call(event, context):
    """Make only the call: the base that the warm handlers are compared with."""
    return client.list_custom_models(**event)
