"""The roles in other accounts: how the function assumes them, and what happens if it cannot."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from custom_models.adapters.bedrock import AccountCredentials, MemberRole, deadline
from custom_models.adapters.bedrock.credentials import RENEW_BEFORE_SECONDS, sign_per_exchange
from custom_models.adapters.bedrock.events import Exchange
from custom_models.adapters.session import new_session
from custom_models.core import errors
from custom_models.core.budget import CallUsage
from custom_models.dispatch import RESERVED_SECONDS
from emulators import bedrock
from emulators.bedrock import fields
from emulators.faults import Fault, body, cut, disconnect, drip, hang, not_json, respond_with, unavailable
from emulators.server import Response
from emulators.sts import deny, error, internal_error, region_disabled, throttle
from tests.api import NOWHERE
from tests.organization import (
    EAST,
    EXTERNAL_ID,
    MEMBER,
    OTHER,
    OWN,
    REGIONS,
    ROLE,
    SOURCES,
    WEST,
    Deployment,
    arns_of,
    inventory,
    threads,
    trust,
    until,
)

pytestmark = pytest.mark.slow  # each test starts a function with several clients

Logged = Callable[[], dict[str, Any]]

OF_MEMBER = [f"{MEMBER}/{region}" for region in REGIONS]
OTHERS = [source for source in SOURCES if source not in OF_MEMBER]


def slowly(correct: Response, _: object) -> Response:
    """Send the correct response late, so that other threads want it too."""
    return replace(correct, delay=0.1)


class TestCalls:
    @pytest.mark.parametrize(
        "variable", [("AWS_BEARER_TOKEN_BEDROCK", "a-key"), ("AWS_AUTH_SCHEME_PREFERENCE", "httpBearerAuth")]
    )
    def test_no_variable_replaces_the_signature(self, deployment: Deployment, variable: tuple[str, str]) -> None:
        # A bearer token belongs to one account, whatever the source is.
        name, value = variable
        assert deployment.build(**{name: value}).get().arns == arns_of(*SOURCES)

    def test_a_role_is_assumed_with_the_own_credentials_in_the_own_region(self, deployment: Deployment) -> None:
        deployment.build(POWERTOOLS_SERVICE_NAME="custom-models-dev").invoke({"accounts": [MEMBER]})
        (call,) = deployment.sts.calls
        assert (call.account, call.region, call.access_key) == (MEMBER, EAST, "test")
        assert call.parameters == {
            "RoleArn": f"arn:aws:iam::{MEMBER}:role/{ROLE}",
            "RoleSessionName": "custom-models-dev",
        }

    def test_the_region_is_that_of_the_function_and_not_of_the_source(self, deployment: Deployment) -> None:
        deployment.build(AWS_DEFAULT_REGION=WEST).invoke({"accounts": [MEMBER], "regions": [EAST]})
        assert [call.region for call in deployment.sts.calls] == [WEST]

    @pytest.mark.parametrize("legacy", ["legacy", "regional"])
    def test_the_endpoint_is_regional(self, monkeypatch: pytest.MonkeyPatch, legacy: str) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", legacy)
        sent: list[str] = []

        def refuse(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            sent.append(request.url)
            return AWSResponse(request.url, 403, HTTPHeaders(), RawBody())

        session = new_session()
        session.get_component("event_emitter").register("before-send.sts", refuse)
        role = MemberRole(ROLE, None, "custom-models")
        credentials = AccountCredentials(OWN, session.get_credentials(), role, lambda: session)
        with pytest.raises(errors.UpstreamDenied):
            credentials.assume(MEMBER, Exchange(CallUsage(), time.monotonic() + 5))
        assert sent == ["https://sts.us-east-1.amazonaws.com/"]

    def test_the_external_id_is_sent(self, deployment: Deployment) -> None:
        deployment.sts.load(trust(EXTERNAL_ID))
        api = deployment.build(INVENTORY=inventory(externalId=EXTERNAL_ID))
        assert len(api.invoke({"accounts": [MEMBER]})["modelSummaries"]) == 12
        with pytest.raises(errors.UpstreamDenied, match="external id"):
            deployment.build(INVENTORY=inventory()).invoke({"accounts": [MEMBER]})

    def test_no_role_is_assumed_in_the_own_account(self, deployment: Deployment) -> None:
        deployment.build().invoke({"accounts": [OWN]})
        assert deployment.sts.calls == []

    def test_a_function_without_other_accounts_needs_no_role(self, deployment: Deployment) -> None:
        api = deployment.build(INVENTORY=inventory([OWN]), AWS_ENDPOINT_URL_STS=NOWHERE)
        assert api.invoke({})["coverage"]["complete"]

    def test_a_call_outside_an_exchange_is_not_signed_with_the_own_credentials(self, deployment: Deployment) -> None:
        session = new_session()
        sign_per_exchange(session)
        client = boto3.Session(botocore_session=session).client("bedrock")
        with pytest.raises(LookupError):
            client.list_custom_models()
        assert deployment.organization.calls == []


class RawBody:
    """The body of a response, as botocore reads it."""

    def stream(self, **_: object) -> list[bytes]:
        return [b""]


class TestCache:
    def test_credentials_are_used_again_by_later_requests(self, deployment: Deployment) -> None:
        api = deployment.build()
        for _ in range(3):
            api.invoke({"allowPartial": True})
        assert sorted(call.account for call in deployment.sts.calls) == [MEMBER, OTHER]

    @pytest.mark.parametrize(("left", "calls"), [(-2, 2), (60, 1)])
    def test_credentials_are_renewed_before_they_expire(self, deployment: Deployment, left: float, calls: int) -> None:
        deployment.sts.lifetime = RENEW_BEFORE_SECONDS + left
        api = deployment.build()
        for _ in range(2):
            assert api.invoke({"accounts": [MEMBER], "regions": [EAST]})["coverage"]["complete"]
        assert len(deployment.sts.calls) == calls
        assert len({call.access_key for call in deployment.organization.calls}) == calls

    def test_many_regions_of_one_account_need_one_call(self, deployment: Deployment) -> None:
        deployment.sts.faults[MEMBER].misbehave(always=slowly)
        listing = deployment.build().invoke({"accounts": [MEMBER, OTHER], "maxItems": 1000})
        assert [model["modelArn"] for model in listing["modelSummaries"]] == arns_of(
            *OF_MEMBER, *(f"{OTHER}/{region}" for region in REGIONS)
        )
        assert sorted(call.account for call in deployment.sts.calls) == [MEMBER, OTHER]

    def test_the_roles_of_the_next_accounts_are_assumed_at_the_same_time(self, deployment: Deployment) -> None:
        """Sixteen calls at a time are those of six accounts. They must not wait for one role after the other."""
        members = [f"{number:012}" for number in range(1, 9)]
        deployment.organization.load({f"{account}/{region}": [] for account in members for region in REGIONS})
        deployment.sts.load({f"arn:aws:iam::{account}:role/{ROLE}": None for account in members})
        all_at_once = threading.Barrier(len(members), timeout=5)

        def meet(correct: Response, _: object) -> Response:
            all_at_once.wait()
            return correct

        for account in members:
            deployment.sts.faults[account].misbehave(meet)
        api = deployment.build(INVENTORY=inventory(members))
        assert api.invoke({"maxItems": 1000})["coverage"]["complete"]
        assert sorted(call.account for call in deployment.sts.calls) == members
        assert not all_at_once.broken

    @pytest.mark.parametrize(("forget_after", "calls"), [(-1, 2), (60, 1)], ids=["old", "new"])
    def test_credentials_that_bedrock_does_not_accept_are_replaced_unless_they_are_new(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, forget_after: int, calls: int
    ) -> None:
        """The role was created again, or its sessions were revoked; or the region is not enabled."""
        monkeypatch.setattr("custom_models.adapters.bedrock.credentials.FORGET_AFTER_SECONDS", forget_after)
        api = deployment.build()
        deployment.misbehave(OF_MEMBER[0], respond_with(bedrock.error("UnrecognizedClientException", 403)))
        selection = {"accounts": [MEMBER], "regions": [REGIONS[0]]}
        with pytest.raises(errors.UpstreamDenied):
            api.invoke(selection)
        assert api.invoke(selection)["coverage"]["complete"]
        assert len(deployment.sts.calls) == calls


NO_CREDENTIALS = b'<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"/>'

FAILURES: dict[str, tuple[Fault, str, str, int]] = {
    "denied": (deny, "upstream-denied", "sts:AccessDenied", 1),
    "region not active": (region_disabled, "upstream-denied", "sts:RegionDisabledException", 1),
    "expired": (respond_with(error("ExpiredToken", 403)), "upstream-denied", "sts:ExpiredToken", 1),
    "not valid": (respond_with(error("ValidationError", 400)), "upstream-denied", "sts:ValidationError", 1),
    "404": (respond_with(error("NoSuchEntity", 404)), "upstream-denied", "sts:NoSuchEntity", 1),
    "throttled": (throttle, "upstream-throttled", "sts:Throttling", 3),
    "429": (respond_with(error("TooMany", 429)), "upstream-throttled", "sts:TooMany", 3),
    "500": (internal_error, "upstream-unavailable", "sts:InternalFailure", 3),
    "503 of a load balancer": (unavailable, "upstream-unavailable", "sts:503", 3),
    "502 with text": (respond_with(Response(502, b"Bad gateway")), "upstream-unavailable", "", 1),
    "closed connection": (disconnect, "upstream-unavailable", "sts:ConnectionClosedError", 3),
    "cut": (cut, "upstream-unavailable", "sts:ConnectionClosedError", 1),
    "HTML": (not_json, "upstream-invalid", "", 1),
    "empty body": (body(b""), "upstream-invalid", "sts:ResponseParserError", 1),
    "no credentials": (body(NO_CREDENTIALS), "upstream-invalid", "", 1),
    "redirect": (respond_with(Response(302, b"", {"Location": NOWHERE})), "upstream-invalid", "", 1),
}


@pytest.mark.parametrize(("fault", "kind", "code", "attempts"), FAILURES.values(), ids=FAILURES)
class TestFailures:
    def test_the_error_names_the_first_source(
        self, deployment: Deployment, fault: Fault, kind: str, code: str, attempts: int, logged: Logged
    ) -> None:
        deployment.sts.faults[MEMBER].misbehave(always=fault)
        api = deployment.build()
        response = api.get()
        assert (response.kind, response.body["source"]) == (kind, OF_MEMBER[0])
        line = logged()
        assert line["upstream_error"].startswith(code)
        assert line["sources_failed"] == {OF_MEMBER[0]: line["upstream_error"]}
        with pytest.raises(errors.CustomModelsError) as caught:
            api.invoke({})
        assert str(caught.value) == f"{response.body['detail']} (source {OF_MEMBER[0]})"
        assert caught.value.kind == kind
        assert not [call for call in deployment.calls() if call in OF_MEMBER]

    def test_it_counts_for_all_sources_of_the_account_and_not_for_the_next_request(
        self, deployment: Deployment, fault: Fault, kind: str, code: str, attempts: int
    ) -> None:
        deployment.sts.faults[MEMBER].misbehave(always=fault)
        api = deployment.build()
        listing = api.invoke({"allowPartial": True, "maxItems": 1000})
        assert [model["modelArn"] for model in listing["modelSummaries"]] == arns_of(*OTHERS)
        assert listing["coverage"]["unreachable"] == [{"source": source, "problem": kind} for source in OF_MEMBER]
        assert [call.account for call in deployment.sts.calls].count(MEMBER) == attempts
        deployment.sts.faults[MEMBER].misbehave()
        assert api.invoke({"maxItems": 1000})["coverage"]["complete"]


def test_an_account_that_fails_does_not_use_up_the_retries_of_others(deployment: Deployment) -> None:
    """The quota of botocore would allow a hundred retries."""
    deployment.sts.faults[MEMBER].misbehave(always=throttle)
    api = deployment.build(INVENTORY=inventory(regions=[EAST]))
    for _ in range(51):
        api.invoke({"accounts": [MEMBER, OWN], "allowPartial": True})
    deployment.sts.faults[OTHER].misbehave(throttle, internal_error)
    assert api.invoke({"accounts": [OTHER]})["coverage"]["complete"]


@pytest.mark.parametrize("fault", [hang(30), drip(0.05)], ids=["hangs", "byte by byte"])
class TestDeadline:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deadline, "MAX_CALL_SECONDS", 1.2)
        monkeypatch.setattr(deadline, "READ_TIMEOUT", 0.6)
        monkeypatch.setattr(deadline, "MAX_ATTEMPT_SECONDS", 0.7)

    def test_the_call_ends_in_time_and_the_others_are_listed(
        self, deployment: Deployment, fault: Fault, logged: Logged
    ) -> None:
        deployment.sts.faults[MEMBER].misbehave(always=fault)
        api = deployment.build()
        before = threads()
        start = time.monotonic()
        listing = api.invoke({"allowPartial": True, "maxItems": 1000})
        assert time.monotonic() - start < 6
        assert [model["modelArn"] for model in listing["modelSummaries"]] == arns_of(*OTHERS)
        assert {problem["problem"] for problem in listing["coverage"]["unreachable"]} == {"upstream-unavailable"}
        assert logged()["sources_failed"].keys() == set(OF_MEMBER)
        until(lambda: threads() <= before)

    def test_no_attempt_starts_after_the_deadline(self, deployment: Deployment, fault: Fault) -> None:
        deployment.sts.faults[MEMBER].misbehave(always=fault)
        api = deployment.build()
        start = time.monotonic()
        with pytest.raises(errors.UpstreamUnavailable):
            api.invoke({"accounts": [MEMBER], "regions": [EAST]}, timeout=RESERVED_SECONDS + 1)
        assert time.monotonic() - start < 6
        assert len(deployment.sts.calls) == 1


def test_a_deadline_in_the_pause_before_a_retry_is_unavailable(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    api = deployment.build()
    api.invoke({"accounts": [OTHER]})
    logged()
    monkeypatch.setattr(deadline, "MAX_CALL_SECONDS", 1)
    monkeypatch.setattr(deadline, "READ_TIMEOUT", -10)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: threading.Event().wait(9))
    deployment.sts.faults[MEMBER].misbehave(always=throttle)
    with pytest.raises(errors.UpstreamUnavailable):
        api.invoke({"accounts": [MEMBER], "regions": [EAST]})
    assert logged()["upstream_error"] == "sts:TimeoutError"


def test_no_credential_is_logged(deployment: Deployment, capfd: pytest.CaptureFixture[str]) -> None:
    deployment.sts.load(trust(EXTERNAL_ID))
    api = deployment.build(INVENTORY=inventory(externalId=EXTERNAL_ID), POWERTOOLS_LOG_LEVEL="DEBUG")
    for fault in (None, cut, throttle, deny):
        deployment.sts.faults[OTHER].misbehave(always=fault)
        deployment.sts.lifetime = 1
        deployment.misbehave(OF_MEMBER[0], fields(nextToken=5), bedrock.deny)
        api.invoke({"allowPartial": True})
    keys = {call.access_key for call in deployment.organization.calls} - {"test"}
    output = "".join(capfd.readouterr())
    assert keys
    assert '"request"' in output
    assert not [secret for secret in (*keys, EXTERNAL_ID, "ASIA", "SessionToken") if secret in output]
