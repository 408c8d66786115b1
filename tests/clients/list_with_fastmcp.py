"""List models as an agent does: with the tool that fastmcp makes of the OpenAPI document, and a client of MCP.

    python list_with_fastmcp.py <listings.jsonl >pages.jsonl

Each line of standard input is a JSON object with the URL of an API and the arguments of listings. The program requests
all pages of these listings, and prints a line of JSON with them. The last one may be the text of an error.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Generator
from typing import Any

import httpx2
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.providers.openapi import MCPType, RouteMap
from signing import signature

ONLY_LISTINGS = [RouteMap(pattern="/openapi.json", mcp_type=MCPType.EXCLUDE)]


class Signature(httpx2.Auth):
    """AWS Signature Version 4."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the headers."""
        request.headers.update(signature(request.method, str(request.url)))
        yield request


async def pages(mcp: Client, arguments: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
    """Call the tool for each page of a listing."""
    while True:
        try:
            result = await mcp.call_tool("listCustomModels", arguments)
        except ToolError as error:
            yield str(error)
            return
        listing = result.structured_content
        yield listing
        if "nextCursor" not in listing:
            return
        arguments = {**arguments, "cursor": listing["nextCursor"]}


async def listings(url: str, given: list[dict[str, Any]]) -> list[list[dict[str, Any] | str]]:
    """Request all pages of the listings from the API at the URL."""
    async with httpx2.AsyncClient(base_url=f"{url}/v1", auth=Signature(), timeout=35) as http:
        document = (await http.get("/openapi.json")).json()
        # Without strict_input_validation, a mistyped filter would be dropped, and the tool would return all models.
        server = FastMCP.from_openapi(document, client=http, route_maps=ONLY_LISTINGS, strict_input_validation=True)
        async with Client(server) as mcp:
            return [[page async for page in pages(mcp, arguments)] for arguments in given]


def main() -> None:
    """Read URLs and the arguments of listings, and print the pages."""
    for line in sys.stdin:
        request = json.loads(line)
        sys.stdout.write(json.dumps(asyncio.run(listings(request["url"], request["listings"]))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
