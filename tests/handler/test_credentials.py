"""Credentials that cannot be loaded or renewed: an operator's problem, but never an internal error."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore import exceptions

from custom_models.core import errors
from emulators.bedrock import Emulator
from tests.api import Api

NewApi = Callable[[], Api]
Logged = Callable[[], dict[str, Any]]


def client_error(code: str, status: int) -> exceptions.ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return exceptions.ClientError(response, "AssumeRole")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.TokenRetrievalError(provider="sso", error_msg="Token has expired"), errors.UpstreamDenied),
        (exceptions.UnauthorizedSSOTokenError(), errors.UpstreamDenied),
        (exceptions.SSOTokenLoadError(error_msg="no token"), errors.UpstreamDenied),
        (exceptions.CredentialRetrievalError(provider="process", error_msg="exit 1"), errors.UpstreamDenied),
        (exceptions.RefreshWithMFAUnsupportedError(), errors.UpstreamDenied),
        (exceptions.InvalidConfigError(error_msg="role_arn"), errors.UpstreamDenied),
        (exceptions.MetadataRetrievalError(error_msg="IMDS"), errors.UpstreamDenied),
        (
            RuntimeError("the refreshed credentials are still expired"),
            errors.UpstreamDenied,
        ),
        (FileNotFoundError("credential_process"), errors.UpstreamDenied),
        (KeyError("Credentials"), errors.UpstreamDenied),
        (client_error("AccessDenied", 403), errors.UpstreamDenied),
        (client_error("ExpiredToken", 400), errors.UpstreamDenied),
        (client_error("ValidationError", 400), errors.UpstreamDenied),
        (client_error("Throttling", 400), errors.UpstreamThrottled),
        (client_error("InternalFailure", 500), errors.UpstreamUnavailable),
        (exceptions.ConnectTimeoutError(endpoint_url="https://sts"), errors.UpstreamUnavailable),
        (exceptions.EndpointConnectionError(endpoint_url="https://sts"), errors.UpstreamUnavailable),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_a_credential_error_is_denied_or_unavailable(
    new_api: NewApi,
    emulator: Emulator,
    logged: Logged,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    expected: type[errors.CustomModelsError],
) -> None:
    def fail(_: object) -> None:
        raise error

    api = new_api()
    monkeypatch.setattr("botocore.credentials.Credentials.get_frozen_credentials", fail)
    with pytest.raises(expected) as caught:
        api.invoke({})
    assert emulator.calls == []
    assert str(error) not in str(caught.value)
    line = logged()
    assert line["outcome"] == caught.value.kind
    assert "exception" not in line
    assert line["upstream_error"]


def test_missing_credentials_are_denied(new_api: NewApi, monkeypatch: pytest.MonkeyPatch, logged: Logged) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(errors.UpstreamDenied):
        new_api().invoke({})
    assert logged()["upstream_error"] == "NoCredentialsError"
