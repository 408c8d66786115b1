"""Every fault of Bedrock and STS, and how the function handles it.

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
from emulators import bedrock, faults, sts
from emulators.bedrock import Emulator, Organization
from emulators.faults import Fault, Parameters, body, respond_with
from emulators.models import plausible_models
from emulators.server import Response, json_response, serve
from emulators.sts import Sts
from local.api_gateway import FUNCTION_TIMEOUT, Context, Handler, proxy_event
from tools.processes import use_bedrock
from tools.report import DOCS, Table, number, progress, write_section

REPORT = DOCS / "reliability.md"
MODELS = plausible_models(300)
SUMMARY = MODELS[0].summary()

OK = "200"
THROTTLED, UNAVAILABLE, INVALID = "429 upstream-throttled", "503 upstream-unavailable", "502 upstream-invalid"
NOT_OFFERED = "200, not offered"
UNKNOWN_OPERATION = "unknown operation"
UNTIL_UNAVAILABLE = "200, with a cursor: upstream-unavailable"
UNTIL_THROTTLED = "200, with a cursor: upstream-throttled"


@dataclass(frozen=True)
class Case:
    """A fault, and what a client sees if it starts at the first page of a listing, or after it.

    It is ``STATUS kind`` or, for a listing that ends early, ``200, with a cursor: reason``.
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
    """Return a fault whose responses alternate between two tokens."""
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
        lasting("hangs during the response", faults.stall(600), UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("sends a byte every four seconds", faults.drip(4), UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("closes the connection", faults.disconnect, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("closes the connection during the response", faults.cut, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("denies access", bedrock.deny, "500 upstream-denied"),
        lasting(UNKNOWN_OPERATION, bedrock.unknown_operation, "502 upstream-rejected", "400 expired-cursor"),
        lasting("redirects", redirect, INVALID),
        lasting("unknown error", unknown, "502 upstream-rejected"),
        lasting("HTML", faults.not_json, INVALID),
        lasting("empty body", body(b""), INVALID),
        lasting("truncated JSON", body(b'{"modelSummaries": ['), INVALID),
        lasting("JSON 200,000 levels deep", body(b"[" * 200_000), INVALID),
        lasting("ten megabytes instead of a list", body({"modelSummaries": "x" * 10_000_000}), INVALID),
        lasting("object without a list of models", body({"models": []}), INVALID),
        lasting("object instead of the list", body({"modelSummaries": {}}), INVALID),
        lasting("model without an ARN", page({**SUMMARY, "modelArn": None}), INVALID),
        lasting("model whose name is a number", page({**SUMMARY, "modelName": 5}), INVALID),
        lasting("invalid time", page({**SUMMARY, "creationTime": "now"}), INVALID),
        lasting("token that is a number", bedrock.fields(nextToken=5), INVALID),
        lasting("alternates between two tokens", alternating_tokens(), INVALID),
        lasting("more models than requested", page(*[SUMMARY] * 1001), INVALID),
        Case("ignores a filter", (page(SUMMARY),), INVALID, INVALID, {"modelStatus": "Failed"}),
    ]


@dataclass(frozen=True)
class SourceCase:
    """A fault of one source of three, and what a client sees without and with ``allowPartial=true``.

    Without ``allowPartial``, it has the form that ``Case`` describes. With it, it is ``200``, ``200, not offered`` or
    ``200, without the source: problem``.
    """

    name: str
    bedrock: tuple[Fault | None, ...]
    """The faults of Bedrock in this source, as those of a case."""
    sts: tuple[Fault | None, ...]
    """The faults of STS for the role in this source's account."""
    strict: str
    partial: str
    filters: Mapping[str, str] | None = None


def source_cases() -> list[SourceCase]:
    """Return new cases: every fault of Bedrock, and those of STS."""
    of_bedrock = [
        SourceCase(case.name, case.faults, (None,), _strict(case), _partial(case), case.filters) for case in cases()
    ]
    of_sts = [
        lasting("STS throttles", sts.throttle, THROTTLED),
        lasting("STS fails (500)", sts.internal_error, UNAVAILABLE),
        lasting("STS hangs", faults.hang(600), UNAVAILABLE),
        lasting("STS sends a byte every second", faults.drip(1), UNAVAILABLE),
        lasting("STS closes the connection", faults.disconnect, UNAVAILABLE),
        lasting("the role cannot be assumed", sts.deny, "500 upstream-denied"),
        lasting("STS is not activated in the region", sts.region_disabled, "500 upstream-denied"),
        lasting("STS responds with HTML", faults.not_json, INVALID),
    ]
    return of_bedrock + [SourceCase(case.name, (None,), case.faults, _strict(case), _partial(case)) for case in of_sts]


def _strict(case: Case) -> str:
    """Return what a client sees if the source before this one was listed: temporary failures end the page."""
    if case.name == UNKNOWN_OPERATION:
        return NOT_OFFERED
    status, _, kind = case.first.partition(" ")
    return f"200, with a cursor: {kind}" if status in ("429", "503") else case.first


def _partial(case: Case) -> str:
    """Return what a client sees with ``allowPartial=true``."""
    if case.name == UNKNOWN_OPERATION:
        return NOT_OFFERED
    _, _, kind = case.first.partition(" ")
    return f"200, without the source: {kind}" if kind else OK


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
    return _request(handler, {"maxItems": "30", "pageSize": "10", **(case.filters or {})}, timeout)


class Sources:
    """Three sources with ten models each, the function's own account and two members, and STS."""

    ACCOUNTS = ("123456789012", "111122223333", "444455556666")
    FAULTY = ACCOUNTS[1]
    REGION = "us-east-1"
    ROLE = "custom-models-reader"
    INVENTORY = json.dumps(
        {
            "sources": [{"accounts": ACCOUNTS, "regions": [REGION]}],
            "memberRoleName": ROLE,
        }
    )

    def __init__(self) -> None:
        """Start without faults."""
        self.models = {f"{account}/{self.REGION}": plausible_models(10, account=account) for account in self.ACCOUNTS}
        self.bedrock = Organization(self.models)
        self.sts = Sts({f"arn:aws:iam::{account}:role/{self.ROLE}": None for account in self.ACCOUNTS})

    def attempt(self, handler: Handler, case: SourceCase, *, allow_partial: bool, timeout: float) -> Outcome:
        """Try a case with the second source."""
        self.bedrock.load(self.models)
        for faults_of, service in (
            (case.bedrock, self.bedrock.sources[f"{self.FAULTY}/{self.REGION}"]),
            (case.sts, self.sts.faults[self.FAULTY]),
        ):
            *once, last = faults_of
            service.misbehave(*once, always=last)
        parameters = {"maxItems": "100", "allowPartial": str(allow_partial).lower(), **(case.filters or {})}
        return _request(handler, parameters, timeout)


def _request(handler: Handler, parameters: Mapping[str, str], timeout: float) -> Outcome:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    event = proxy_event("GET", f"/v1/custom-models?{query}", [])
    start = time.monotonic()
    with _captured_output() as output:
        response = handler(event, Context(timeout=timeout))
    seconds = time.monotonic() - start
    content = json.loads(response["body"])
    lines = map(json.loads, output.getvalue().splitlines())
    (line,) = [line for line in lines if line.get("message") == "request"]
    client = _seen(response["statusCode"], content, line.get("stop_reason", ""))
    return Outcome(client, [model["modelArn"] for model in content.get("modelSummaries", [])], line, seconds)


def _seen(status: int, content: Mapping[str, Any], stop_reason: str) -> str:
    if status != 200:
        return f"{status} {str(content['type']).rpartition(':')[2]}"
    if stop_reason not in ("complete", "max-items"):
        return f"200, with a cursor: {stop_reason}"
    if content["coverage"]["unreachable"]:
        return f"200, without the source: {content['coverage']['unreachable'][0]['problem']}"
    return NOT_OFFERED if content["coverage"]["notOffered"] else OK


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
        description="Try every fault of Bedrock and STS with the deployed time limits, which takes minutes. "
        "Fails if a client sees an unexpected response, or sees it too late.",
    )
    parser.add_argument(
        "text",
        nargs="?",
        help="try the cases with this text in their name, and print them; without it, "
        "try all cases, and write them into docs/reliability.md",
    )
    text = parser.parse_args().text
    tables, failures = [], 0
    for measure in (_one_source, _one_of_several):
        table, failed = measure(text or "")
        tables.append(table)
        failures += failed
    for name, table in zip(("faults", "sources"), tables, strict=True):
        if text:
            print(table, end="\n\n")
        else:
            write_section(REPORT, name, str(table))
    return bool(failures or not any(table.rows for table in tables))


def _one_source(text: str) -> tuple[Table, int]:
    """Return the table of the cases with this text in their name, and how many were not as expected."""
    rows, failures, emulator = [], 0, Emulator([])
    with serve(emulator.respond) as url:
        use_bedrock({"AWS_ENDPOINT_URL_BEDROCK": url})
        for case in (it for it in cases() if text in it.name):
            seen = [attempt(build(), emulator, case, later=later, timeout=FUNCTION_TIMEOUT) for later in (False, True)]
            failures += _failures(case.name, seen, [case.first, case.later])
            first, later = seen
            requests = number(first.log["upstream_pages"] + first.log["upstream_retries"])
            cells = [first.client, number(first.seconds, 1), requests, _log(first), later.client]
            rows.append([case.name, *cells, number(later.seconds, 1)])
    columns = ["fault of Bedrock", "the client sees", "s", "requests", "the log says", "… after a first page", "s"]
    return Table("", columns, rows, text_columns=(0, 1, 4, 5)), failures


def _one_of_several(text: str) -> tuple[Table, int]:
    """Return the same for cases with one faulty source of three."""
    rows, failures, sources = [], 0, Sources()
    with serve(sources.bedrock.respond) as bedrock_url, serve(sources.sts.respond) as sts_url:
        use_bedrock(
            {
                "AWS_ENDPOINT_URL_BEDROCK": bedrock_url,
                "AWS_ENDPOINT_URL_STS": sts_url,
                "INVENTORY": sources.INVENTORY,
            }
        )
        for case in (it for it in source_cases() if text in it.name):
            # A new function for each attempt, so that no credentials are cached.
            seen = [
                sources.attempt(build(), case, allow_partial=allow_partial, timeout=FUNCTION_TIMEOUT)
                for allow_partial in (False, True)
            ]
            failures += _failures(case.name, seen, [case.strict, case.partial])
            cells = [cell for it in seen for cell in (it.client, number(len(it.models)), number(it.seconds, 1))]
            rows.append([case.name, *cells, _log(seen[1])])
    columns = ["fault of one source of three", "the client sees", "models", "s"]
    columns += ["… with `allowPartial=true`", "models", "s", "the log says"]
    return Table("", columns, rows, text_columns=(0, 1, 4, 7)), failures


def _failures(name: str, seen: list[Outcome], expected: list[str]) -> int:
    progress(f"{name}: {', '.join(f'{it.client} in {it.seconds:.1f} s' for it in seen)}")
    return ([it.client for it in seen] != expected) + any(it.seconds > FUNCTION_TIMEOUT for it in seen)


def _log(seen: Outcome) -> str:
    return f"{seen.log['level']}" + (f", `{seen.log['upstream_error']}`" if seen.log.get("upstream_error") else "")


if __name__ == "__main__":
    sys.exit(main())
