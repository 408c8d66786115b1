"""Every fault of Bedrock, and how the function handles it.

``python -m tools.faults`` tries all of them with the deployed time limits, and writes docs/reliability.md.
"""

import argparse
import contextlib
import io
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from custom_models.bootstrap import build
from emulators import bedrock, faults
from emulators.bedrock import Emulator
from emulators.faults import Fault, Parameters, body, respond_with
from emulators.models import plausible_models
from emulators.server import Response, json_response, serve
from local.api_gateway import FUNCTION_TIMEOUT, Context, Handler, proxy_event
from tools.processes import use_bedrock
from tools.report import DOCS, Table, number, progress, write_section

REPORT = DOCS / "reliability.md"
MODELS = plausible_models(300)
SUMMARY = MODELS[0].summary()

OK = "200"
THROTTLED, UNAVAILABLE, INVALID = "429 upstream-throttled", "503 upstream-unavailable", "502 upstream-invalid"
UNTIL_UNAVAILABLE = "200, with a cursor: upstream-unavailable"
UNTIL_THROTTLED = "200, with a cursor: upstream-throttled"


@dataclass(frozen=True)
class Case:
    """A fault, and what a client sees if it starts at the first page of a listing, or after it.

    That is ``STATUS kind`` or, for a listing that ends early, ``200, with a cursor: reason``.
    """

    name: str
    faults: tuple[Fault | None, ...]
    """One per request, in this order; the last one is for all requests after it."""

    first: str
    later: str
    filters: Mapping[str, str] | None = None


def lasting(name: str, fault: Fault, first: str, later: str | None = None) -> Case:
    """Return the case of a fault that does not end."""
    return Case(name, (fault,), first, later or first)


def page(*models: object) -> Fault:
    """Return a fault that responds with a page of these models."""
    return body({"modelSummaries": models})


def alternating_tokens() -> Fault:
    """Return a fault that responds with two tokens in turn."""
    turns = 0

    def turn(_: Response, __: Parameters) -> Response:
        nonlocal turns
        turns += 1
        return json_response({"modelSummaries": [], "nextToken": "ab"[turns % 2]})

    return turn


def cases() -> list[Case]:
    """Return new cases; some faults have a state."""
    redirect = respond_with(Response(302, headers={"Location": "http://127.0.0.1:9/"}))
    unknown = respond_with(bedrock.error("SomethingNewException", 418))
    return [
        Case("throttles twice, then recovers", (bedrock.throttle, bedrock.throttle, None), OK, OK),
        lasting("throttles", bedrock.throttle, THROTTLED, UNTIL_THROTTLED),
        Case("fails twice, then recovers", (bedrock.internal_error, faults.unavailable, None), OK, OK),
        lasting("fails (500)", bedrock.internal_error, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("503 of a load balancer", faults.unavailable, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("hangs before the response", faults.hang(600), UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("hangs in the middle of the response", faults.stall(600), UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("sends a byte every four seconds", faults.drip(4), UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("closes the connection", faults.disconnect, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("closes it in the middle of the response", faults.cut, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("denies", bedrock.deny, "500 upstream-denied"),
        lasting("unknown operation", bedrock.unknown_operation, "502 upstream-rejected", "400 expired-cursor"),
        lasting("redirects", redirect, INVALID),
        lasting("unknown error", unknown, "502 upstream-rejected"),
        lasting("HTML", faults.not_json, INVALID),
        lasting("empty body", body(b""), INVALID),
        lasting("half of a JSON text", body(b'{"modelSummaries": ['), INVALID),
        lasting("JSON 200,000 levels deep", body(b"[" * 200_000), INVALID),
        lasting("ten megabytes instead of a list", body({"modelSummaries": "x" * 10_000_000}), INVALID),
        lasting("object without a list of models", body({"models": []}), INVALID),
        lasting("object instead of the list", body({"modelSummaries": {}}), INVALID),
        lasting("model without an ARN", page({**SUMMARY, "modelArn": None}), INVALID),
        lasting("model whose name is a number", page({**SUMMARY, "modelName": 5}), INVALID),
        lasting("invalid time", page({**SUMMARY, "creationTime": "now"}), INVALID),
        lasting("token that is a number", bedrock.fields(nextToken=5), INVALID),
        lasting("two tokens in turn", alternating_tokens(), INVALID),
        lasting("more models than requested", page(*[SUMMARY] * 1001), INVALID),
        Case("ignores a filter", (page(SUMMARY),), INVALID, INVALID, {"modelStatus": "Failed"}),
    ]


@dataclass(frozen=True)
class Outcome:
    """What a client saw of a case, the models that it received, the log line of the request, and the time it took."""

    client: str
    models: list[str]
    log: Mapping[str, Any]
    seconds: float


def attempt(handler: Handler, emulator: Emulator, case: Case, *, later: bool, timeout: float) -> Outcome:
    """Try a case at the first page of a listing, or after its first page of ten models."""
    emulator.load(MODELS)
    *once, last = case.faults
    emulator.misbehave(*([None] if later else []), *once, always=last)
    parameters = {"maxItems": "30", "pageSize": "10", **(case.filters or {})}
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    event = proxy_event("GET", f"/v1/custom-models?{query}", [])
    start = time.monotonic()
    with _captured_output() as output:
        response = handler(event, Context(timeout=timeout))
    seconds = time.monotonic() - start
    content = json.loads(response["body"])
    lines = map(json.loads, output.getvalue().splitlines())
    (line,) = [line for line in lines if line.get("message") == "request"]
    kind = str(content.get("type", "")).rpartition(":")[2]
    early = response["statusCode"] == 200 and line["stop_reason"] not in ("complete", "max-items")
    client = f"{response['statusCode']} {kind}".strip() + (f", with a cursor: {line['stop_reason']}" if early else "")
    return Outcome(client, [model["modelArn"] for model in content.get("modelSummaries", [])], line, seconds)


@contextlib.contextmanager
def _captured_output() -> Iterator[io.StringIO]:
    """Capture standard output, and the log, which keeps the standard output of the time when it was created."""
    handlers = [it for it in logging.getLogger("custom_models").handlers if type(it) is logging.StreamHandler]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        streams = [handler.setStream(output) for handler in handlers]
        yield output
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream)


def main() -> int:
    """Try the cases as deployed, and report them; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.faults",
        description="Try every fault of Bedrock with the deployed time limits, which takes minutes. "
        "Fails if a client sees an unexpected response, or sees it too late.",
    )
    parser.add_argument(
        "text",
        nargs="?",
        help="try the cases with this text in their name, and print them; without it, "
        "try all cases, and write them into docs/reliability.md",
    )
    text = parser.parse_args().text
    chosen = [case for case in cases() if (text or "") in case.name]
    rows, failures, emulator = [], 0, Emulator([])
    with serve(emulator.respond) as url:
        use_bedrock(url)
        for position, case in enumerate(chosen, 1):
            # A new function for each attempt, so that botocore has not used up its quota of retries.
            seen = [attempt(build(), emulator, case, later=later, timeout=FUNCTION_TIMEOUT) for later in (False, True)]
            failures += [it.client for it in seen] != [case.first, case.later]
            failures += any(it.seconds > FUNCTION_TIMEOUT for it in seen)
            summary = ", ".join(f"{it.client} in {it.seconds:.1f} s" for it in seen)
            progress(f"{position}/{len(chosen)} {case.name}: {summary}")
            rows.append(_row(case, *seen))
    columns = ["Bedrock", "the client sees", "s", "requests", "the log says", "… after a first page", "s"]
    table = Table("", columns, rows, text_columns=(0, 1, 4, 5))
    if text:
        print(table)
    else:
        write_section(REPORT, "faults", str(table))
    return bool(failures or not chosen)


def _row(case: Case, first: Outcome, later: Outcome) -> list[str]:
    log = f"{first.log['level']}" + (f", `{first.log['upstream_error']}`" if first.log.get("upstream_error") else "")
    calls = number(first.log["upstream_pages"] + first.log["upstream_retries"])
    return [case.name, first.client, number(first.seconds, 1), calls, log, later.client, number(later.seconds, 1)]


if __name__ == "__main__":
    sys.exit(main())
