"""The Bedrock that the local function calls: what is reported is what the client really calls."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emulators.bedrock import Emulator
from emulators.models import plausible_models
from emulators.server import Request, Response, serve

ROOT = Path(__file__).parents[2]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
ENDPOINT = "AWS_ENDPOINT_URL_BEDROCK"


class Local:
    """Runs ``python -m local`` in an environment of its own."""

    def __init__(self, home: Path) -> None:
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
        self._home = home

    def configure(self, config: str) -> None:
        (self._home / ".aws").mkdir()
        (self._home / ".aws" / "config").write_text(config)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "local", *arguments],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._home),
                "AWS_EC2_METADATA_DISABLED": "true",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def invoke(self, *arguments: str, **environment: str) -> list[str]:
        """Return the names of the models of a successful invocation."""
        done = self.run("invoke", *arguments, '{"maxItems": 3}', **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return [model["modelName"] for model in json.loads(done.stdout)["modelSummaries"]]

    def refusal(self, *arguments: str, **environment: str) -> str:
        """Return the one line with which it refuses to start."""
        done = self.run("invoke", *arguments, "{}", **environment)
        assert (done.returncode, done.stdout) == (1, ""), done
        (line,) = done.stderr.splitlines()
        return line.removeprefix("custom-models: ")


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


@pytest.fixture
def bedrock() -> Iterator[str]:
    with serve(Emulator(plausible_models(5)).respond) as url:
        yield url


class TestProxy:
    def test_an_endpoint_that_only_the_proxy_can_resolve_is_called(self, local: Local) -> None:
        emulator = Emulator(plausible_models(5))

        def proxy(request: Request) -> Response:
            # A proxy gets the whole URL in the request line.
            url = urlsplit(request.path)
            assert url.netloc == "bedrock.invalid"
            return emulator.respond(replace(request, path=url.path))

        with serve(proxy) as url:
            assert len(local.invoke(**CREDENTIALS, HTTP_PROXY=url, **{ENDPOINT: "http://bedrock.invalid"})) == 3

    @pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
    def test_a_proxy_that_does_not_listen_is_named(self, local: Local, name: str) -> None:
        given = {ENDPOINT: "http://bedrock.invalid", name: "http://127.0.0.1:9"}
        assert local.refusal(**CREDENTIALS, **given).startswith(
            f"Nothing listens at the proxy 127.0.0.1 for {ENDPOINT}="
        )

    @pytest.mark.parametrize("proxy", ["http://[", "http://x:99999", "socks5://127.0.0.1:9", "HTTP://127.0.0.1:9"])
    def test_a_proxy_that_boto3_cannot_use_is_one_line(self, local: Local, proxy: str) -> None:
        line = local.refusal(**CREDENTIALS, HTTP_PROXY=proxy, **{ENDPOINT: "http://bedrock.invalid"})
        assert line.startswith("Nothing listens at the proxy ")

    @pytest.mark.parametrize("spelling", ["NO_PROXY", "no_proxy"])
    @pytest.mark.parametrize("value", ["*", "127.0.0.1", " localhost , 127.0.0.1", "example.com"])
    def test_this_machine_is_called_without_the_proxy(
        self, local: Local, bedrock: str, spelling: str, value: str
    ) -> None:
        given = {ENDPOINT: bedrock, "HTTP_PROXY": "http://127.0.0.1:9", spelling: value}
        assert len(local.invoke(**CREDENTIALS, **given)) == 3

    def test_a_star_in_no_proxy_keeps_its_meaning_for_other_hosts(self, local: Local) -> None:
        given = {ENDPOINT: "http://bedrock.invalid", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "*"}
        assert local.refusal(**CREDENTIALS, **given).startswith(
            f"Nothing listens at {ENDPOINT}=http://bedrock.invalid;"
        )

    @pytest.mark.parametrize("names", [("bedrock.invalid", "x.example"), ("x.example", "bedrock.invalid")])
    def test_both_spellings_count(self, local: Local, names: tuple[str, str]) -> None:
        given = {"NO_PROXY": names[0], "no_proxy": names[1], "HTTP_PROXY": "http://127.0.0.1:9"}
        line = local.refusal(**CREDENTIALS, **given, **{ENDPOINT: "http://bedrock.invalid"})
        assert line.startswith(f"Nothing listens at {ENDPOINT}=http://bedrock.invalid;")


class TestReportedEndpoint:
    @pytest.mark.parametrize("ignored", ["true", "TRUE"])
    def test_an_endpoint_that_the_environment_ignores_is_refused(
        self, local: Local, bedrock: str, ignored: str
    ) -> None:
        given = {ENDPOINT: bedrock, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": ignored}
        line = local.refusal(**CREDENTIALS, **given)
        assert line.startswith(f"{ENDPOINT}={bedrock} is ignored")
        assert "would call https://bedrock.us-east-1.amazonaws.com" in line

    def test_an_endpoint_that_the_profile_ignores_is_refused(self, local: Local, bedrock: str) -> None:
        local.configure("[default]\nignore_configured_endpoint_urls = true\n")
        assert "is ignored" in local.refusal(**CREDENTIALS, **{ENDPOINT: bedrock})

    def test_the_embedded_emulator_is_used_whatever_aws_settings_say(self, local: Local) -> None:
        local.configure("[default]\nendpoint_url = http://127.0.0.1:9\nignore_configured_endpoint_urls = true\n")
        given = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
        assert len(local.invoke(**given)) == 3

    @pytest.mark.parametrize(
        "config",
        [
            "[default]\nendpoint_url = {}\n",
            "[default]\nservices = mine\n[services mine]\nbedrock =\n  endpoint_url = {}\n",
        ],
        ids=["endpoint_url", "services"],
    )
    def test_the_endpoint_of_a_profile_is_reported(self, local: Local, bedrock: str, config: str) -> None:
        local.configure(config.format(bedrock))
        assert banner(local, CREDENTIALS) == f"Bedrock at {bedrock}, with your credentials"

    def test_a_global_endpoint_is_reported(self, local: Local, bedrock: str) -> None:
        environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": bedrock}
        assert banner(local, environment) == f"Bedrock at {bedrock}, with your credentials"


def banner(local: Local, environment: dict[str, str]) -> str:
    """Return where the models come from with BEDROCK=aws, as the server reports it."""
    command = (
        "from local.upstream import bedrock\nwith bedrock('aws', None, None, None) as description: print(description)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=ROOT,
        env={**local.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


class TestCredentials:
    def test_an_expired_sso_session_stops_the_start_with_the_remedy(self, local: Local) -> None:
        local.configure(
            "[default]\nsso_session = mine\nsso_account_id = 123456789012\nsso_role_name = reader\n"
            "region = us-east-1\n[sso-session mine]\nsso_start_url = https://example.invalid/start\n"
            "sso_region = us-east-1\nsso_registration_scopes = sso:account:access\n"
        )
        line = local.refusal("--bedrock", "aws")
        assert line.startswith("Your AWS settings cannot be used: ")
        assert "aws sso login" in line

    def test_the_cause_and_the_remedy_are_separate_sentences(self, local: Local) -> None:
        line = local.refusal("--bedrock", "aws", AWS_PROFILE="nobody")
        assert "(nobody) could not be found. Correct them, sign in" in line

    def test_a_credential_process_that_fails_stops_the_start(self, local: Local) -> None:
        local.configure("[default]\nregion = us-east-1\ncredential_process = false\n")
        assert "aws sso login" in local.refusal("--bedrock", "aws")

    def test_without_credentials_it_does_not_start(self, local: Local) -> None:
        assert local.refusal("--bedrock", "aws", AWS_REGION="us-east-1").startswith("There are no AWS credentials; ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POWERTOOLS_LOG_LEVEL", "trace"),
        ("POWERTOOLS_DEBUG", "perhaps"),
        ("POWERTOOLS_LOGGER_SAMPLE_RATE", "often"),
        ("CURSOR_LIFETIME_SECONDS", "day"),
    ],
)
def test_a_wrong_setting_of_the_function_is_one_line(local: Local, name: str, value: str) -> None:
    assert name.partition("_")[0] in local.refusal(**{name: value})
