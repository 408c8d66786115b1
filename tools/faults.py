"""Everything that Bedrock may do wrong, and what becomes of it.

``python -m tools.faults`` tries it all with the time limits that are deployed, which takes
minutes, and writes docs/reliability.md.
"""

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custom_models.bootstrap import build
from emulators.bedrock import Emulator, deny, error, fields, internal_error, throttle, unknown_operation
from emulators.faults import Fault, body, cut, disconnect, drip, hang, not_json, stall, unavailable
from emulators.models import plausible_models
from emulators.server import Response, json_response, serve
from local.api_gateway import FUNCTION_TIMEOUT, Context, Handler, proxy_event
from tests.api import Api

REPORT = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
MODELS = plausible_models(300)
SUMMARY = MODELS[0].summary()
LASTING = "lasting"
UNTIL_UNAVAILABLE, UNTIL_THROTTLED = (
    "200, with a cursor: upstream-unavailable",
    "200, with a cursor: upstream-throttled",
)


@dataclass(frozen=True)
class Case:
    """A fault; what a client sees of it at the first page of a listing, and after it.

    What it sees is ``STATUS kind`` or, of a listing that ends early, ``200, with a cursor: why``.
    """

    name: str
    faults: tuple[Fault | None, ...]
    """Of the requests in their order; the last one goes on."""
    first: str
    later: str
    filters: Mapping[str, str] | None = None
    ignored: bool = False


def lasting(name: str, fault: Fault, first: str, later: str | None = None) -> Case:
    """Return the case of a fault that does not go away."""
    return Case(name, (fault,), first, later or first)


THROTTLED, UNAVAILABLE, INVALID = "429 upstream-throttled", "503 upstream-unavailable", "502 upstream-invalid"
OK = "200"


def large(_: Response, __: Mapping[str, str]) -> Response:
    """Answer with ten megabytes that are no listing."""
    return json_response({"modelSummaries": "x" * 10_000_000})


def circle() -> Fault:
    """Return a fault that gives two tokens by turns."""
    turns = 0

    def turn(_: Response, __: Mapping[str, str]) -> Response:
        nonlocal turns
        turns += 1
        return json_response({"modelSummaries": [], "nextToken": "ab"[turns % 2]})

    return turn


def cases() -> list[Case]:
    """Return every case; some faults remember, so they are made anew."""
    return [
        Case("throttles twice, then not", (throttle, throttle, None), OK, OK),
        lasting("throttles", throttle, THROTTLED, UNTIL_THROTTLED),
        Case("fails twice, then not", (internal_error, unavailable, None), OK, OK),
        lasting("fails (500)", internal_error, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("a load balancer's 503", unavailable, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("hangs before the answer", hang(600), UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("hangs in the middle of the answer", stall(600), UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("answers a byte in four seconds", drip(4), UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("closes the connection", disconnect, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("closes it in the middle of the answer", cut, UNAVAILABLE, UNTIL_UNAVAILABLE),
        lasting("denies", deny, "500 upstream-denied"),
        lasting("does not know the operation", unknown_operation, "502 upstream-rejected", "400 expired-cursor"),
        lasting("redirects", lambda *_: json_response(b"", 302, {"Location": "http://127.0.0.1:9/"}), INVALID),
        lasting("an error nobody knows", lambda *_: error("SomethingNewException", 418), "502 upstream-rejected"),
        lasting("HTML", not_json, INVALID),
        lasting("nothing", body(b""), INVALID),
        lasting("half of a JSON text", body(b'{"modelSummaries": ['), INVALID),
        lasting("JSON 200,000 levels deep", body(b"[" * 200_000), INVALID),
        lasting("ten megabytes that are no list", large, INVALID),
        lasting("an object without models", body({}), INVALID),
        lasting("an object in the place of the list", body({"modelSummaries": {}}), INVALID),
        lasting("a model without an ARN", body({"modelSummaries": [{**SUMMARY, "modelArn": None}]}), INVALID),
        lasting("a model with another type of name", body({"modelSummaries": [{**SUMMARY, "modelName": 5}]}), INVALID),
        lasting("a time that is none", body({"modelSummaries": [{**SUMMARY, "creationTime": "now"}]}), INVALID),
        lasting("a token that is a number", fields(nextToken=5), INVALID),
        lasting("tokens in a circle", circle(), INVALID),
        lasting("more models than asked for", body({"modelSummaries": [SUMMARY] * 1001}), INVALID),
        Case("ignores a filter", (None,), INVALID, INVALID, {"modelStatus": "Failed"}, ignored=True),
    ]


@dataclass(frozen=True)
class Seen:
    """What came of a case."""

    client: str
    models: list[str]
    log: Mapping[str, Any]
    seconds: float


def attempt(handler: Handler, emulator: Emulator, case: Case, *, later: bool, timeout: float) -> Seen:
    """Let a case happen at the first page of a listing, or after its first page of ten, and see."""
    emulator.load(MODELS)
    *once, last = case.faults
    if case.ignored:
        emulator.ignored = set(case.filters or ())
    emulator.misbehave(*([None] if later and not case.ignored else []), *once, always=last)
    query = "&".join(
        f"{name}={value}" for name, value in {"maxItems": "30", "pageSize": "10", **(case.filters or {})}.items()
    )
    start = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        response = handler(proxy_event("GET", f"/v1/custom-models?{query}", []), Context(timeout=timeout))
    seconds = time.monotonic() - start
    content = json.loads(response["body"])
    lines = map(json.loads, output.getvalue().splitlines())
    (line,) = [line for line in lines if line.get("message") == "request"]
    kind = str(content.get("type", "")).rpartition(":")[2]
    early = response["statusCode"] == 200 and line["stop_reason"] not in ("complete", "max-items")
    client = f"{response['statusCode']} {kind}".strip() + (f", with a cursor: {line['end']}" if early else "")
    return Seen(client, [model["modelArn"] for model in content.get("modelSummaries", [])], line, seconds)


@contextlib.contextmanager
def function() -> Iterator[tuple[Callable[[], Handler], Emulator]]:
    """Yield what builds the function before an emulator: anew for each case, with all its retries to spend."""
    emulator = Emulator([])
    for name in [name for name in os.environ if name.startswith(("AWS_", "CURSOR_", "POWERTOOLS_"))]:
        del os.environ[name]
    with serve(emulator.respond) as url:
        os.environ.update(
            AWS_ENDPOINT_URL_BEDROCK=url,
            AWS_CONFIG_FILE=os.devnull,
            AWS_SHARED_CREDENTIALS_FILE=os.devnull,
            AWS_DEFAULT_REGION="us-east-1",
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            CURSOR_KEY="a key of the faults, which no one else has",
        )
        yield lambda: Api(build()).handler, emulator


def main() -> int:
    """Try all cases as deployed, and write the report."""
    rows: list[str] = []
    failures = 0
    with function() as (new_handler, emulator):
        for number, case in enumerate(cases(), 1):
            seen = [
                attempt(new_handler(), emulator, case, later=later, timeout=FUNCTION_TIMEOUT) for later in (False, True)
            ]
            expected = [case.first, case.later]
            failures += [it.client for it in seen] != expected or any(it.seconds > FUNCTION_TIMEOUT for it in seen)
            told = ", ".join(f"{it.client} in {it.seconds:.1f} s" for it in seen)
            sys.stderr.write(f"{number}/{len(cases())} {case.name}: {told}\n")
            rows.append(_row(case, *seen))
    _write(rows)
    return 1 if failures else 0


def _row(case: Case, first: Seen, later: Seen) -> str:
    log = f"{first.log['level']}" + (f", `{first.log['upstream_error']}`" if first.log.get("upstream_error") else "")
    calls = first.log["upstream_pages"] + first.log["upstream_retries"]
    cells = (case.name, first.client, f"{first.seconds:.1f}", str(calls), log, later.client, f"{later.seconds:.1f}")
    return f"| {' | '.join(cells)} |"


def _write(rows: list[str]) -> None:
    text = REPORT.read_text()
    before, _, rest = text.partition("<!-- faults -->")
    _, _, after = rest.partition("<!-- /faults -->")
    head = "| Bedrock | the client sees | s | requests | the log says | … after a first page | s |"
    rule = "|---|---|---:|---:|---|---|---:|"
    REPORT.write_text("\n".join([f"{before}<!-- faults -->", "", head, rule, *rows, "", f"<!-- /faults -->{after}"]))


if __name__ == "__main__":
    sys.exit(main())
