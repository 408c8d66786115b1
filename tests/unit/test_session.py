"""The session of the clients: in Lambda it leaves out handlers of other services, and changes nothing for ours."""

from collections.abc import Callable
from typing import Any

import boto3
import botocore.handlers
import botocore.loaders
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.utils import hyphenize_service_id

from custom_models.adapters.session import new_session

Call = Callable[[Any], object]

CALLS: dict[str, Call] = {
    "bedrock": lambda client: list(client.get_paginator("list_custom_models").paginate(nameContains="a")),
    "secretsmanager": lambda client: client.get_secret_value(SecretId="a", VersionStage="AWSCURRENT"),
}
CHANGING = {"X-Amz-Date", "Authorization", "amz-sdk-invocation-id"}


def request(session: boto3.Session, service: str) -> AWSPreparedRequest:
    """Return what goes over the wire for a call."""
    sent: list[AWSPreparedRequest] = []

    def send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), Raw())

    client: Any = session.client(service)  # type: ignore[call-overload]
    client.meta.events.register("before-send", send)
    CALLS[service](client)
    (request,) = sent
    return request


class Raw:
    """The body of an answer."""

    def stream(self, **_: object) -> list[bytes]:
        return [b'{"modelSummaries": []}']


@pytest.fixture(autouse=True)
def _in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "custom-models")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793")


@pytest.mark.parametrize("service", CALLS)
def test_what_goes_over_the_wire_is_what_boto3_sends(service: str) -> None:
    ours, theirs = (request(session, service) for session in (new_session(), boto3.Session()))
    assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.url, theirs.body)
    names = set(theirs.headers.keys())
    assert set(ours.headers.keys()) == names >= CHANGING | {"X-Amzn-Trace-Id", "amz-sdk-request"}
    for name in names - CHANGING:
        assert ours.headers[name] == theirs.headers[name], name


def test_what_is_left_out_is_other_services_and_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = botocore.loaders.create_loader()
    called = {
        hyphenize_service_id(loader.load_service_model(name, "service-2")["metadata"]["serviceId"]) for name in CALLS
    }
    registered: set[str] = set()
    monkeypatch.setattr("botocore.session.Session.register", lambda _, event, *__, **___: registered.add(event))
    new_session()
    assert {"before-parameter-build", "request-created", "choose-signer", "before-call"} <= registered
    left_out = {event for event, *_ in botocore.handlers.BUILTIN_HANDLERS} - registered
    assert len(left_out) > 50
    for event in left_out:
        kind, service, *_ = event.split(".")
        assert kind == "docs" or service not in {"*", *called}


@pytest.mark.parametrize(
    "listed",
    [
        None,
        [5],
        [("before-call", print, botocore.handlers.REGISTER_FIRST)],
        [("before-call.bedrock.ListCustomModels", print, botocore.handlers.REGISTER_LAST)],
    ],
)
def test_where_botocore_lists_them_otherwise_all_are_registered(
    listed: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = object()
    monkeypatch.setattr("custom_models.adapters.session.boto3.Session", lambda **given: plain if not given else None)
    monkeypatch.setattr("botocore.handlers.BUILTIN_HANDLERS", listed)
    assert new_session() is plain


def test_where_botocore_does_not_list_them_all_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_models.adapters.session.boto3.Session", lambda **given: given)
    monkeypatch.setattr("custom_models.adapters.session.botocore.handlers", object())
    session: object = new_session()
    assert session == {}


def test_a_person_has_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of a login or of single sign-on come from services of their own, by handlers of theirs."""
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    monkeypatch.setattr("custom_models.adapters.session.boto3.Session", lambda **given: given)
    session: object = new_session()
    assert session == {}
