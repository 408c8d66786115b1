"""The Bedrock that the local function calls: what is reported is what the client really calls."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from emulators.bedrock import Emulator
from emulators.models import plausible_models
from emulators.server import Request, Response, serve
from emulators.sts import Sts, error
from tests.local.command_line import Local, refusal_of

pytestmark = pytest.mark.slow  # each test starts the function with its emulators

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
ENDPOINT = "AWS_ENDPOINT_URL_BEDROCK"
ON_AWS = ("--bedrock", "aws")


@pytest.fixture
def bedrock() -> Iterator[str]:
    """The URL of Bedrock and STS."""
    emulator, sts = Emulator(plausible_models(5)), Sts({})
    with serve(lambda request: (sts if request.path == "/" else emulator).respond(request)) as url:
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
            listing = local.listing(**CREDENTIALS, HTTP_PROXY=url, **{ENDPOINT: "http://bedrock.invalid"})
            assert len(listing["modelSummaries"]) == 3

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
        assert len(local.listing(**CREDENTIALS, **given)["modelSummaries"]) == 3

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
        assert len(local.listing(**given)["modelSummaries"]) == 3

    @pytest.mark.parametrize(
        "config",
        [
            "[default]\nendpoint_url = {}\n",
            "[default]\nservices = us\n[services us]\nbedrock =\n  endpoint_url = {0}\nsts =\n  endpoint_url = {0}\n",
        ],
        ids=["endpoint_url", "services"],
    )
    def test_the_endpoint_of_a_profile_is_reported(self, local: Local, bedrock: str, config: str) -> None:
        local.configure(config.format(bedrock))
        assert local.banner(*ON_AWS, **CREDENTIALS) == [
            f"Models come from   Bedrock at {bedrock}, with your credentials"
        ]

    def test_aws_region_takes_precedence_as_in_the_aws_cli(self, local: Local, bedrock: str) -> None:
        # Bedrock is not called until a client sends a request.
        local.configure(f"[default]\nservices = mine\n[services mine]\nsts =\n  endpoint_url = {bedrock}\n")
        given = {**CREDENTIALS, "AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-1"}
        assert local.banner(*ON_AWS, **given) == [
            "Models come from   Bedrock at https://bedrock.eu-west-3.amazonaws.com, with your credentials"
        ]

    def test_a_global_endpoint_is_reported(self, local: Local, bedrock: str) -> None:
        environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": bedrock}
        assert local.banner(*ON_AWS, **environment) == [
            f"Models come from   Bedrock at {bedrock}, with your credentials"
        ]


class TestCredentials:
    def test_an_expired_sso_session_stops_the_start_with_the_remedy(self, local: Local) -> None:
        local.configure(
            "[default]\nsso_session = mine\nsso_account_id = 123456789012\nsso_role_name = reader\n"
            "region = us-east-1\n[sso-session mine]\nsso_start_url = https://example.invalid/start\n"
            "sso_region = us-east-1\nsso_registration_scopes = sso:account:access\n"
        )
        # As a process, because botocore looks for sessions in the home directory that it had when it was imported.
        line = refusal_of(local.run_process("invoke", "--bedrock", "aws", "{}"))
        assert line.startswith("Your AWS settings cannot be used: ")
        assert "aws sso login" in line

    def test_the_cause_and_the_remedy_are_separate_sentences(self, local: Local) -> None:
        line = local.refusal("--bedrock", "aws", AWS_PROFILE="nobody")
        assert "(nobody) could not be found. Correct them, sign in" in line

    def test_a_credential_process_that_fails_stops_the_start(self, local: Local) -> None:
        local.configure("[default]\nregion = us-east-1\ncredential_process = false\n")
        assert "aws sso login" in local.refusal("--bedrock", "aws")

    def test_credentials_that_sts_does_not_accept_stop_the_start(self, local: Local) -> None:
        with serve(
            lambda _: error("ExpiredToken", 403, "The security token included in the request is expired")
        ) as url:
            line = local.refusal("--bedrock", "aws", **CREDENTIALS, AWS_ENDPOINT_URL=url)
        assert line.startswith("STS does not accept your AWS credentials: ")
        assert "token included in the request is expired. Correct them, sign in" in line

    def test_without_credentials_it_does_not_start(self, local: Local) -> None:
        assert local.refusal("--bedrock", "aws", AWS_REGION="us-east-1").startswith("There are no AWS credentials; ")


@pytest.mark.parametrize(("name", "value"), [("POWERTOOLS_LOG_LEVEL", "trace"), ("CURSOR_LIFETIME_SECONDS", "day")])
def test_a_wrong_setting_of_the_function_is_one_line(local: Local, name: str, value: str) -> None:
    assert name in local.refusal(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("POWERTOOLS_DEBUG", "perhaps"), ("POWERTOOLS_LOGGER_SAMPLE_RATE", "often")]
)
def test_a_setting_that_a_library_refuses_is_one_line(local: Local, name: str, value: str) -> None:
    # As a process, because Powertools reads its settings only once.
    assert "POWERTOOLS" in refusal_of(local.run_process("invoke", "{}", **{name: value}))
