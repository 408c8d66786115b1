"""Denials: the detail names the likely cause where it is not a missing permission."""

from collections.abc import Callable
from typing import Any

import pytest

from custom_models.core import errors
from emulators.bedrock import Emulator, error
from tests.api import Api


@pytest.mark.parametrize(
    ("code", "status", "cause"),
    [
        ("AccessDeniedException", 403, "grant bedrock:ListCustomModels"),
        ("AccessDenied", 400, "grant bedrock:ListCustomModels"),
        ("SomethingNew", 403, "grant bedrock:ListCustomModels"),
        ("InvalidSignatureException", 403, "clock or secret key may be wrong"),
        ("SignatureDoesNotMatch", 403, "clock or secret key may be wrong"),
        ("RequestExpired", 400, "clock or secret key may be wrong"),
        ("ExpiredTokenException", 403, "credentials of this API have expired"),
        ("ExpiredToken", 400, "credentials of this API have expired"),
        ("RequestTimeTooSkewed", 403, "clock or secret key may be wrong"),
        ("IncompleteSignature", 400, "a proxy may change its requests"),
        ("MissingAuthenticationTokenException", 403, "a proxy may change its requests"),
        ("InvalidClientTokenId", 403, "does not recognize the credentials"),
        ("AuthFailure", 401, "does not recognize the credentials"),
        ("UnrecognizedClientException", 403, "the region may not be enabled"),
        ("UnrecognizedClientException", 400, "the region may not be enabled"),
    ],
)
def test_the_detail_names_the_likely_cause(
    api: Api, emulator: Emulator, logged: Callable[[], dict[str, Any]], code: str, status: int, cause: str
) -> None:
    emulator.misbehave(lambda *_: error(code, status))
    with pytest.raises(errors.UpstreamDenied, match=cause):
        api.invoke({})
    line = logged()
    assert (line["level"], line["outcome"], line["upstream_error"]) == ("ERROR", "upstream-denied", code)
