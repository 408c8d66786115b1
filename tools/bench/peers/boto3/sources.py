"""All sources in one request: a session for each account, and a client and the paginator for each source."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import boto3

INVENTORY = json.loads(os.environ["INVENTORY"])
ACCOUNTS = [account for entry in INVENTORY["sources"] for account in entry["accounts"]]
SOURCES = [
    (account, region) for entry in INVENTORY["sources"] for account in entry["accounts"] for region in entry["regions"]
]

pool = ThreadPoolExecutor(16)
sts = boto3.client("sts")
kept = {}


def session(account):
    """Return a session with the role of an account."""
    if account == os.environ["OWN_ACCOUNT_ID"]:
        return boto3.Session()
    role = f"arn:aws:iam::{account}:role/{INVENTORY['memberRoleName']}"
    credentials = sts.assume_role(RoleArn=role, RoleSessionName="inventory")["Credentials"]
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def new_clients():
    """Return a client for each source. They are created in one thread, because sessions are not thread-safe."""
    sessions = dict(zip(ACCOUNTS, pool.map(session, ACCOUNTS), strict=True))
    return {(account, region): sessions[account].client("bedrock", region_name=region) for account, region in SOURCES}


def models(source, client):
    """Return the models of a source."""
    pages = client.get_paginator("list_custom_models").paginate()
    return [{**model, "source": "/".join(source)} for page in pages for model in page["modelSummaries"]]


def response(clients):
    """Return the models of all sources."""
    lists = pool.map(models, clients.keys(), clients.values())
    body = {"modelSummaries": [model for models in lists for model in models]}
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body, default=str),
    }


def with_new_clients(event, context):
    """List all sources with new clients."""
    return response(new_clients())


def with_kept_clients(event, context):
    """List all sources with the clients of the first request."""
    if not kept:
        kept.update(new_clients())
    return response(kept)
