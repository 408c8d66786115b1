"""List models with the client that openapi-python-client generates.

    PYTHONPATH=GENERATED python list_with_openapi_python_client.py <listings.jsonl >pages.jsonl

Each line of standard input is a JSON object with the URL of an API and the arguments of listings. The program requests
all pages of these listings, and prints a line of JSON with them.
"""

import json
import sys
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
from custom_models_api_client import Client
from custom_models_api_client.api.custom_models import list_custom_models
from custom_models_api_client.models import (
    ListCustomModelsModelStatus,
    ListCustomModelsSortBy,
    ListCustomModelsSortOrder,
    Listing,
    Problem,
)
from custom_models_api_client.types import Response
from signing import signature

TYPES: dict[str, Any] = {
    "creation_time_before": datetime.fromisoformat,
    "creation_time_after": datetime.fromisoformat,
    "model_status": ListCustomModelsModelStatus,
    "sort_by": ListCustomModelsSortBy,
    "sort_order": ListCustomModelsSortOrder,
    # The generated code sends a list of several as repeated parameters, which the API rejects:
    # https://github.com/openapi-generators/openapi-python-client/issues/197
    "accounts": lambda accounts: [",".join(accounts)],
    "regions": lambda regions: [",".join(regions)],
}


class Signature(httpx.Auth):
    """AWS Signature Version 4."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the headers."""
        request.headers.update(signature(request.method, str(request.url)))
        yield request


def pages(client: Client, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Request all pages of a listing."""
    while True:
        response = list_custom_models.sync_detailed(client=client, **arguments)
        yield page(response)
        if not isinstance(response.parsed, Listing) or not response.parsed.next_cursor:
            return
        arguments = {**arguments, "cursor": response.parsed.next_cursor}


def page(response: Response[Any]) -> dict[str, Any]:
    """Return the content of a response, taken from the generated classes."""
    found = {"status": response.status_code, "etag": response.headers.get("ETag")}
    match response.parsed:
        case Listing(coverage=coverage) as listing:
            models = [
                {**model.to_dict(), "creationTime": model.creation_time.astimezone(UTC).isoformat()}
                for model in listing.model_summaries
            ]
            missing = {failed.source: failed.problem for failed in coverage.unreachable}
            return {**found, "models": models, "complete": coverage.complete, "unreachable": missing}
        case Problem() as problem:
            invalid = {error.parameter: error.message for error in problem.errors or []}
            return {**found, "type": problem.type_, "source": problem.source or None, "errors": invalid}
    return found


def main() -> None:
    """Read URLs and the arguments of listings, and print the pages."""
    for line in sys.stdin:
        request = json.loads(line)
        found = []
        with Client(base_url=f"{request['url']}/v1", httpx_args={"auth": Signature()}) as client:
            for given in request["listings"]:
                arguments = {name: TYPES.get(name, lambda value: value)(value) for name, value in given.items()}
                found.append(list(pages(client, arguments)))
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
