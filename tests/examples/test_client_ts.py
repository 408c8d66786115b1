"""examples/client.ts on Node.js, with the real function over HTTP. test_coverage.py has more tests of it."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import pytest
from botocore.credentials import Credentials

from custom_models.adapters.rest_api.openapi import document
from emulators import server
from emulators.bedrock import Emulator, throttle
from emulators.faults import Fault, unavailable
from emulators.models import ACCOUNT
from emulators.server import Request, Response
from emulators.sts import Sts
from local.api_gateway import Context
from tests.api import Api
from tests.clients.program import only_signed
from tests.examples.function import ARNS, MODELS, Serve, responding
from tests.installed import NODE, NPM_PACKAGES, node, require

CLIENT = NPM_PACKAGES.with_name("client.ts")

pytestmark = pytest.mark.slow

Done: TypeAlias = subprocess.CompletedProcess[str]

BUSY: tuple[Fault, ...] = (throttle, throttle, throttle)
"""As many failures as botocore makes attempts, so that the API returns 429."""

INSTANT_SLEEP = """
import timers from "node:timers/promises";
import { syncBuiltinESMExports } from "node:module";
timers.setTimeout = async (milliseconds) => console.error(`slept ${milliseconds / 1000}`);
syncBuiltinESMExports();
"""
RECORDED_FETCH = """
globalThis.fetch = async (url, { headers }) => {
  console.error(JSON.stringify({ url, ...headers }));
  return Response.json({ modelSummaries: [], coverage: { complete: true } });
};
"""


ERRORS_OF_EACH = f"""
import {{ customModels }} from "{CLIENT.as_uri()}";
for (const url of process.argv.slice(1)) {{
  console.log(await customModels(url).then(() => "no error", (error) => error.message));
}}
"""


@pytest.fixture(autouse=True)
def _installed() -> None:
    require(NPM_PACKAGES / ".installed")


def run(*arguments: str, preload: str = INSTANT_SLEEP) -> Done:
    """Run the client after the JavaScript in ``preload``."""
    return started(preload, str(CLIENT), *arguments)


def errors(*urls: str, preload: str = INSTANT_SLEEP) -> list[str]:
    """Return the message of the error that the client throws for each URL. It neither waits nor prints."""
    done = started(preload, "--input-type=module", "--eval", ERRORS_OF_EACH, *urls)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def started(preload: str, *arguments: str) -> Done:
    command = [str(NODE), "--import", f"data:text/javascript,{quote(preload)}", *arguments]
    return subprocess.run(command, check=False, text=True, capture_output=True)


def arns(done: Done) -> list[str]:
    return [json.loads(line)["modelArn"] for line in done.stdout.splitlines()]


def slept(done: Done) -> list[float]:
    """Return the seconds of each pause."""
    return [float(seconds) for seconds in re.findall("^slept (.+)$", done.stderr, re.MULTILINE)]


class TestListing:
    @pytest.mark.parametrize("max_items", [70, 300, 1000])
    def test_each_model_once_and_in_order(self, url: str, max_items: int) -> None:
        done = run(url, f"maxItems={max_items}")
        assert (done.returncode, done.stderr) == (0, "")
        assert arns(done) == ARNS

    def test_filters_are_encoded(self, url: str) -> None:
        after = "creationTimeAfter=2026-01-01T00:00:00+01:00"
        done = run(f"{url}/", "nameContains=churn", "isOwned=true", after, f"accounts={ACCOUNT}", "maxItems=5")
        assert (done.returncode, done.stderr) == (0, "")
        owned = [model for model in MODELS if "churn" in model.name and model.owner == ACCOUNT]
        assert arns(done) == [model.arn for model in owned if model.created.isoformat() > "2025-12-31T23"]

    def test_as_a_module_it_takes_arrays_and_booleans(self, serve: Serve, tmp_path: Path) -> None:
        events: list[Any] = []
        url = serve(responding([(200, {"modelSummaries": [{"modelArn": "arn"}]})], events))
        query = {"accounts": ["111122223333", "444455556666"], "isOwned": False, "maxItems": 5}
        (tmp_path / "listing.mts").write_text(
            f'import {{ customModels }} from "{CLIENT}";\n'
            f'const {{ models }} = await customModels("{url}", {json.dumps(query)});\n'
            "console.log(JSON.stringify(models));"
        )
        done = subprocess.run([str(NODE), str(tmp_path / "listing.mts")], check=True, text=True, capture_output=True)
        assert (json.loads(done.stdout), done.stderr) == ([{"modelArn": "arn"}], "")
        assert events[0]["queryStringParameters"] == {
            "accounts": "111122223333,444455556666",
            "isOwned": "false",
            "maxItems": "5",
        }

    def test_the_largest_page_is_requested(self, serve: Serve) -> None:
        events: list[Any] = []
        run(serve(responding([(200, {"modelSummaries": []})], events)))
        assert events[0]["queryStringParameters"] == {"maxItems": "1000"}


class TestBusy:
    def test_it_waits_for_retry_after_in_the_middle_of_the_listing(self, url: str, emulator: Emulator) -> None:
        emulator.misbehave(None, *BUSY, *BUSY, None, unavailable, unavailable, unavailable)
        done = run(url, "maxItems=100")
        assert (done.returncode, arns(done)) == (0, ARNS)
        assert slept(done) == [2, 2, 5]

    def test_it_gives_up_after_five_attempts(self, url: str, emulator: Emulator) -> None:
        emulator.misbehave(None, always=throttle)
        done = run(url, "maxItems=100")
        assert (done.returncode, done.stdout, slept(done)) == (1, "", [2, 2, 2, 2])
        assert "client: 429 upstream-throttled: " in done.stderr
        assert "wait and send the same request again" in done.stderr

    def test_retry_after_is_seconds_or_a_date(self, serve: Serve) -> None:
        cases = {
            "3": 3.0,
            "1.5": 1.5,
            "-5": 0.0,
            "86400": 60.0,
            "soon": 1.0,
            "Infinity": 1.0,
            "": 1.0,
            "Wed, 25 Nov 2020 20:00:00 GMT": 0.0,
            "Wed, 25 Nov 2099 20:00:00 GMT": 60.0,
        }
        statuses = [429, 503, 504]
        responses: list[dict[str, Any]] = []
        for number, value in enumerate(cases):
            page = {"modelSummaries": [], "nextCursor": str(number)}
            responses.append({"statusCode": statuses[number % 3], "headers": {"Retry-After": value}, "body": "{}"})
            responses.append({"statusCode": 200, "body": json.dumps(page)})
        responses += [{"statusCode": 503, "body": "{}"}, {"statusCode": 200, "body": '{"modelSummaries": []}'}]
        done = run(serve(lambda *_: responses.pop(0)))
        assert (done.returncode, responses) == (0, [])
        assert slept(done) == [*cases.values(), 1]

    def test_it_does_not_retry_what_would_fail_again(self, serve: Serve) -> None:
        statuses = [400, 403, 500, 502]
        assert errors(*(serve(responding([(status, {})])) for status in statuses)) == [
            f"{it} : {{}}" for it in statuses
        ]


class TestErrors:
    def test_an_unknown_filter_is_reported(self, url: str) -> None:
        done = run(url, "namecontains=churn", "maxItems")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("client: 400 invalid-query: maxItems must not be empty")
        assert "did you mean nameContains?" in done.stderr

    def test_the_message_has_the_source_and_the_request_id(self, serve: Serve) -> None:
        problem = {"type": "urn:problem-type:custom-models:upstream-denied", "detail": "Ask.", "requestId": "r1"}
        url = serve(responding([(500, {**problem, "source": "111122223333/us-east-1"}), (500, problem)]))
        source = "source 111122223333/us-east-1, "
        assert run(url).stderr == f"client: 500 upstream-denied: Ask. ({source}request r1)\n"
        assert run(url).stderr == "client: 500 upstream-denied: Ask. (request r1)\n"

    def test_a_response_that_is_not_a_problem_is_shown(self, serve: Serve) -> None:
        done = run(serve(lambda *_: {"statusCode": 502, "body": "<html>Bad gateway</html>"}))
        assert (done.returncode, done.stderr) == (1, "client: 502 : <html>Bad gateway</html>\n")

    def test_a_response_that_is_not_a_listing_is_an_error(self, serve: Serve) -> None:
        bodies = ["<html>Please log in</html>", "", "{}", '{"modelSummaries": null}', "null"]
        listings: list[dict[str, Any]] = [{"statusCode": 200, "body": body} for body in bodies]
        found = errors(*(serve(lambda *_, listing=listing: listing) for listing in listings))
        assert [message[:6] for message in found] == ["200 : "] * 5

    def test_a_redirect_is_an_error(self) -> None:
        statuses = [301, 302, 303, 307, 308]
        elsewhere: list[Request] = []

        def respond(request: Request) -> Response:
            elsewhere.append(request)
            return Response()

        with server.serve(respond) as other:
            responses = iter([Response(status, headers={"Location": f"{other}/v1"}) for status in statuses])
            with server.serve(lambda _: next(responses)) as url:
                found = errors(*[url] * len(statuses))
        assert found == [f"{status} : redirects are not followed: {other}/v1" for status in statuses]
        assert elsewhere == []

    def test_the_url_has_http_and_a_host(self) -> None:
        urls = ["file://localhost/etc", "localhost:8000", "http://127.0.0.1@example.com"]
        message = "the URL must start with http:// or https:// and the name of a host"
        assert errors(*urls, preload=RECORDED_FETCH) == [message] * 3

    def test_deeply_nested_models_are_an_error(self, serve: Serve) -> None:
        body = f'{{"modelSummaries": [{{}}, {"[" * 20000}{"]" * 20000}]}}'
        done = run(serve(lambda *_: {"statusCode": 200, "body": body}))
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)

    def test_a_failed_connection_has_its_cause(self) -> None:
        with server.serve(lambda _: Response(disconnect=True)) as url:
            done = run(url)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "client: fetch failed: other side closed\n")


class TestSignature:
    def test_each_attempt_and_page_is_signed(self, serve: Serve) -> None:
        pages = [(503, {}), (200, {"modelSummaries": [], "nextCursor": "a+b/~'(!) ="}), (200, {"modelSummaries": []})]
        events: list[Any] = []
        done = run(serve(only_signed(responding(pages, events))), "nameContains=a*b c,d")
        assert (done.returncode, slept(done)) == (0, [1])
        assert events[2]["queryStringParameters"] == {
            "cursor": "a+b/~'(!) =",
            "maxItems": "1000",
            "nameContains": "a*b c,d",
        }

    def test_the_real_function_behind_authorization(self, new_api: Callable[[], Api], serve: Serve) -> None:
        handler = new_api().handler
        assert arns(run(serve(only_signed(handler)), "maxItems=170")) == ARNS
        refused = run(serve(only_signed(handler, Credentials("test", "another"))))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == "client: 403 forbidden: Sign the request.\n"

    def test_the_region_comes_from_the_url(self) -> None:
        done = run("https://a1b2c3.execute-api.eu-west-3.amazonaws.com/dev/", "isOwned=true", preload=RECORDED_FETCH)
        sent = json.loads(done.stderr)
        assert sent["url"] == (
            "https://a1b2c3.execute-api.eu-west-3.amazonaws.com/dev/v1/custom-models?maxItems=1000&isOwned=true"
        )
        assert "/eu-west-3/execute-api/aws4_request" in sent["authorization"]

    @pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
    def test_behind_a_custom_domain_the_region_comes_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        monkeypatch.setenv(variable, "eu-north-1")
        done = run("https://models.example.com/", preload=RECORDED_FETCH)
        assert "/eu-north-1/execute-api/aws4_request" in json.loads(done.stderr)["authorization"]

    def test_it_is_an_error_if_no_region_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        done = run("https://models.example.com/", preload=RECORDED_FETCH)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("client: set AWS_REGION to the API's region")


class TestCredentials:
    @pytest.fixture(autouse=True)
    def profile(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
        """Write the file of AWS settings, and use its profile ``example``; there are no other credentials."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

        def write(config: str) -> None:
            (tmp_path / "config").write_text(config)
            monkeypatch.setenv("AWS_PROFILE", "example")

        return write

    def test_without_credentials_requests_to_this_machine_are_not_signed(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        events: list[Any] = []
        done = run(serve(responding([(200, {"modelSummaries": []})], events)))
        assert done.returncode == 0
        assert {"Authorization", "authorization"}.isdisjoint(events[0]["headers"])

    def test_without_credentials_nothing_is_sent_elsewhere(self) -> None:
        done = run("https://a1b2c3.execute-api.eu-west-3.amazonaws.com/dev/", preload=RECORDED_FETCH)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "client: Could not load credentials from any providers: unsigned requests are sent to this machine only "
            "(127.0.0.1, localhost, [::1])\n"
        )

    def test_this_machine_has_an_address_of_version_6_too(self) -> None:
        done = run("http://[::1]:8000", preload=RECORDED_FETCH)
        assert done.returncode == 0
        assert json.loads(done.stderr)["url"] == "http://[::1]:8000/v1/custom-models?maxItems=1000"

    @pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"])
    @pytest.mark.parametrize("bad", ["SECRET\r", "SECRET\nX-Other: 1", "SEC RET"])
    def test_they_cannot_add_to_a_header(self, monkeypatch: pytest.MonkeyPatch, name: str, bad: str) -> None:
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(key, "test")
        monkeypatch.setenv(name, bad)
        done = run("http://127.0.0.1", preload=RECORDED_FETCH)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "client: the AWS credentials or the region have a space or a control character, such as a line's end\n"
        )

    def test_a_profile_with_a_process(self, serve: Serve, profile: Callable[[str], None], tmp_path: Path) -> None:
        keys = {"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "a-secret", "SessionToken": "a/token+="}
        (tmp_path / "keys.json").write_text(json.dumps(keys))
        profile(f"[profile example]\ncredential_process = cat {tmp_path}/keys.json\n")
        handler = responding([(200, {"modelSummaries": []})])
        done = run(serve(only_signed(handler, Credentials("AKIA", "a-secret", "a/token+="))))
        assert done.returncode == 0

    def test_a_profile_with_a_role(
        self, serve: Serve, profile: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        role = "arn:aws:iam::111122223333:role/caller"
        profile(
            f"[profile example]\nrole_arn = {role}\nsource_profile = base\n"
            "[profile base]\naws_access_key_id = test\naws_secret_access_key = test\n"
        )
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        issued: list[Credentials] = []
        sts = Sts({role: None})

        def respond(request: Request) -> Response:
            response = sts.respond(request)
            fields = dict(re.findall(r"<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<", response.body.decode()))
            issued.append(Credentials(fields["AccessKeyId"], fields["SecretAccessKey"], fields["SessionToken"]))
            return response

        def handler(event: Any, context: Context) -> dict[str, Any]:
            listing = {"statusCode": 200, "body": '{"modelSummaries": []}'}
            return only_signed(lambda *_: listing, issued[0])(event, context)

        with server.serve(respond) as sts_url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
            done = run(serve(handler))
        assert (done.returncode, len(issued)) == (0, 1), done.stderr
        assert issued[0].access_key.startswith("ASIA111122223333")

    def test_a_role_is_assumed_in_the_region_of_the_api(
        self, profile: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        role = "arn:aws:iam::111122223333:role/caller"
        profile(
            f"[profile example]\nrole_arn = {role}\nsource_profile = base\n"
            "[profile base]\naws_access_key_id = test\naws_secret_access_key = test\n"
        )
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        sts, signatures = Sts({role: None}), []

        def respond(request: Request) -> Response:
            signatures.append(request.headers["Authorization"])
            return sts.respond(request)

        with server.serve(respond) as sts_url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
            done = run("https://a1b2c3.execute-api.eu-west-3.amazonaws.com/dev/", preload=RECORDED_FETCH)
        assert done.returncode == 0, done.stderr
        assert [signature.split("/")[2] for signature in signatures] == ["eu-west-3"]


class TestCommandLine:
    @pytest.mark.parametrize("arguments", [(), ("--nonsense",)])
    def test_the_url_is_required(self, arguments: tuple[str, ...]) -> None:
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "usage: node client.ts URL [NAME=VALUE ...]\n"

    def test_a_parameter_can_be_given_once(self) -> None:
        done = run("http://127.0.0.1", "maxItems=1", "maxItems=2")
        assert (done.returncode, done.stderr) == (2, "client: a parameter is given twice\n")

    def test_help(self) -> None:
        done = run("--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert "NAME=VALUE" in done.stdout


def test_the_types_are_those_of_the_openapi_document(tmp_path: Path) -> None:
    """The tests of docs/clients.md compile the client with them."""
    (tmp_path / "openapi.json").write_text(document())
    arguments = (str(tmp_path / "openapi.json"), "--output", str(tmp_path / "generated.d.ts"))
    generated = node("openapi-typescript/bin/cli.js", *arguments)
    assert generated.returncode == 0, generated.stderr
    committed = CLIENT.with_name("custom-models.d.ts").read_text("utf-8")
    assert (tmp_path / "generated.d.ts").read_text("utf-8") == committed, "run `make openapi`"
