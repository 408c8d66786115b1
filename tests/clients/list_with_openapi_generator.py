"""List models with the client that OpenAPI Generator generates for Python.

    PYTHONPATH=GENERATED python list_with_openapi_generator.py <listings.jsonl >pages.jsonl

Each line of standard input is a JSON object with the URL of an API and the arguments of listings. The program requests
all pages of these listings, and prints a line of JSON with them.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from custom_models_client import ApiClient, ApiException, Configuration, CustomModelsApi, Listing, Problem
from signing import signature

TYPES: dict[str, Any] = {
    "creation_time_before": datetime.fromisoformat,
    "creation_time_after": datetime.fromisoformat,
}


class SignedClient(ApiClient):
    """Adds AWS Signature Version 4 to each request."""

    def call_api(self, method: str, url: str, header_params: Any = None, *args: Any, **options: Any) -> Any:
        """Sign and send a request."""
        return super().call_api(method, url, {**header_params, **signature(method, url)}, *args, **options)


def pages(api: CustomModelsApi, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Request all pages of a listing."""
    while True:
        try:
            response = api.list_custom_models_with_http_info(**arguments)
        except ApiException as error:  # every status except 2xx, 304 too
            yield {"status": error.status, "etag": error.headers.get("ETag"), **problem(error.data)}
            return
        yield {"status": response.status_code, "etag": response.headers.get("ETag"), **listing(response.data)}
        if response.data.next_cursor is None:
            return
        arguments = {**arguments, "cursor": response.data.next_cursor}


def listing(data: Listing) -> dict[str, Any]:
    """Return the content of a page, taken from the generated classes."""
    models = [
        {**model.to_dict(), "creationTime": model.creation_time.astimezone(UTC).isoformat()}
        for model in data.model_summaries
    ]
    missing = {failed.source: failed.problem for failed in data.coverage.unreachable}
    return {"models": models, "complete": data.coverage.complete, "unreachable": missing}


def problem(data: Problem | None) -> dict[str, Any]:
    """Return the content of a problem, taken from the generated classes."""
    if data is None:
        return {}
    invalid = {error.parameter: error.message for error in data.errors or []}
    return {"type": data.type, "source": data.source, "errors": invalid}


def main() -> None:
    """Read URLs and the arguments of listings, and print the pages."""
    for line in sys.stdin:
        request = json.loads(line)
        found = []
        with SignedClient(Configuration(host=f"{request['url']}/v1")) as client:
            for given in request["listings"]:
                arguments = {name: TYPES.get(name, lambda value: value)(value) for name, value in given.items()}
                found.append(list(pages(CustomModelsApi(client), arguments)))
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
