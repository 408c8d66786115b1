"""All sources in one request: the role of each account, and a client and the paginator for each source, in threads."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import boto3

INVENTORY = json.loads(os.environ["INVENTORY"])
ACCOUNTS = [account for entry in INVENTORY["sources"] for account in entry["accounts"]]
SOURCES = [
    (account, region) for entry in INVENTORY["sources"] for account in entry["accounts"] for region in entry["regions"]
]
THREADS = 16

sts = boto3.client("sts")
kept = {}


def assume_role(account):
    """Return the credentials in an account, as arguments of a session."""
    if account == os.environ["OWN_ACCOUNT_ID"]:
        return {}
    role = f"arn:aws:iam::{account}:role/{INVENTORY['memberRoleName']}"
    credentials = sts.assume_role(RoleArn=role, RoleSessionName="inventory")["Credentials"]
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def new_client(credentials, region):
    """Return a client of a session of its own, because threads must not share a session.

    https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions
    """
    return boto3.Session(**credentials).client("bedrock", region_name=region)


def models(client, source):
    """Return the models of a source."""
    pages = client.get_paginator("list_custom_models").paginate()
    return [{**model, "source": "/".join(source)} for page in pages for model in page["modelSummaries"]]


def response(lists):
    """Return the models of all sources."""
    body = {"modelSummaries": [model for models in lists for model in models]}
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body, default=str),
    }


def with_new_clients(event, context):
    """List all sources, each with a new client."""
    with ThreadPoolExecutor(THREADS) as pool:
        credentials = dict(zip(ACCOUNTS, pool.map(assume_role, ACCOUNTS), strict=True))

        def list_source(source):
            account, region = source
            return models(new_client(credentials[account], region), source)

        return response(pool.map(list_source, SOURCES))


def with_kept_clients(event, context):
    """List all sources, each with the client of the first request."""
    with ThreadPoolExecutor(THREADS) as pool:
        if not kept:
            credentials = dict(zip(ACCOUNTS, pool.map(assume_role, ACCOUNTS), strict=True))
            clients = pool.map(lambda source: new_client(credentials[source[0]], source[1]), SOURCES)
            kept.update(zip(SOURCES, clients, strict=True))
        return response(pool.map(models, kept.values(), kept.keys()))
