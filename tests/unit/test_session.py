"""The sessions: in Lambda, it omits the event handlers of services that are not called."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.handlers
import botocore.loaders
import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.utils import hyphenize_service_id

from custom_models.adapters.session import new_session

Call = Callable[[Any], object]

ARN = "arn:aws:iam::111122223333"
CALLS: dict[str, Call] = {
    "bedrock": lambda client: list(client.get_paginator("list_custom_models").paginate(nameContains="a")),
    "secretsmanager": lambda client: client.get_secret_value(SecretId="a", VersionStage="AWSCURRENT"),
    "sts": lambda client: client.assume_role(
        RoleArn=f"{ARN}:role/a", RoleSessionName="custom-models-dev", ExternalId="c/d"
    ),
}
EMPTY_RESPONSES = {
    "bedrock": b'{"modelSummaries": []}',
    "secretsmanager": b"{}",
    "sts": b"<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>",
}
UNIQUE_HEADERS = {"X-Amz-Date", "Authorization", "amz-sdk-invocation-id"}
"""Their values differ from request to request."""


def request(session: botocore.session.Session, service: str) -> AWSPreparedRequest:
    """Return the HTTP request that a call to a service sends."""
    sent: list[AWSPreparedRequest] = []

    def send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), RawBody(EMPTY_RESPONSES[service]))

    client: Any = boto3.Session(botocore_session=session).client(service)  # type: ignore[call-overload]
    client.meta.events.register("before-send", send)
    CALLS[service](client)
    (request,) = sent
    return request


class RawBody:
    """The body of a response, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> list[bytes]:
        return [self._content]


def has_all_handlers(session: botocore.session.Session) -> bool:
    """Return whether a session has the event handlers of a service that the function does not call."""
    event = "getattr.mturk.list_hi_ts_for_qualification_type"
    client = SimpleNamespace(list_hits_for_qualification_type=None)
    responses: list[object] = session.get_component("event_emitter").emit(event, client=client)
    return responses != []


@pytest.fixture(autouse=True)
def _in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "custom-models")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793")


@pytest.mark.parametrize("service", CALLS)
def test_the_requests_are_those_of_a_plain_boto3_session(service: str) -> None:
    actual, expected = (request(session, service) for session in (new_session(), botocore.session.Session()))
    assert (actual.method, actual.url, actual.body) == (expected.method, expected.url, expected.body)
    names = set(expected.headers.keys())
    assert set(actual.headers.keys()) == names >= UNIQUE_HEADERS | {"X-Amzn-Trace-Id", "amz-sdk-request"}
    for name in names - UNIQUE_HEADERS:
        assert actual.headers[name] == expected.headers[name], name


def test_only_handlers_of_other_services_and_of_documentation_are_omitted(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = botocore.loaders.create_loader()
    called_services = {
        hyphenize_service_id(loader.load_service_model(name, "service-2")["metadata"]["serviceId"]) for name in CALLS
    }
    registered: set[str] = set()
    monkeypatch.setattr("botocore.session.Session.register", lambda _, event, *__, **___: registered.add(event))
    new_session()
    assert {"before-parameter-build", "request-created", "choose-signer", "before-call"} <= registered
    omitted = {event for event, *_ in botocore.handlers.BUILTIN_HANDLERS} - registered
    assert len(omitted) > 50
    for event in omitted:
        kind, service, *_ = event.split(".")
        assert kind == "docs" or service not in {"*", *called_services}


@pytest.mark.parametrize(
    "listed",
    [
        None,
        [5],
        [("before-call", print, botocore.handlers.REGISTER_FIRST)],
        [("before-call.bedrock.ListCustomModels", print, botocore.handlers.REGISTER_LAST)],
    ],
)
def test_all_handlers_are_registered_if_botocores_list_has_another_form(
    listed: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = SimpleNamespace(BUILTIN_HANDLERS=listed)
    monkeypatch.setattr("custom_models.adapters.session.botocore.handlers", handlers)
    assert has_all_handlers(new_session())


def test_all_handlers_are_registered_if_botocore_has_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_models.adapters.session.botocore.handlers", object())
    assert has_all_handlers(new_session())


def test_all_handlers_are_registered_outside_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, credentials may come from other services, such as SSO."""
    assert not has_all_handlers(new_session())
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    assert has_all_handlers(new_session())


def test_all_sessions_share_one_loader() -> None:
    """So botocore reads its data files once for all clients of the function."""
    assert new_session().get_component("data_loader") is new_session().get_component("data_loader")
