"""The request log: what is recorded about a request."""

import pytest

from custom_models.core.budget import Limits, Usage
from custom_models.core.errors import CustomModelsError, Internal, InvalidQuery, UpstreamUnavailable
from custom_models.core.listing import Listing
from custom_models.core.query import Query
from custom_models.request_log import RequestLog
from tests.doubles import model


def new_log() -> RequestLog:
    return RequestLog("request", Limits(deadline=0))


def failed(error: Exception, last_error: str | None = None) -> RequestLog:
    log = RequestLog("request", Limits(deadline=0), Usage(last_error=last_error))
    log.add_error(error)
    return log


def test_a_request_that_recorded_nothing_is_an_internal_error() -> None:
    log = new_log()
    assert (log.outcome, log.status, log.items, log.stop_reason) == ("internal", None, 0, None)
    assert (log.cursor_in, log.cursor_out, log.filters) == (False, False, ())


def test_the_query_and_the_listing_are_recorded() -> None:
    log = new_log()
    log.add_query(Query.from_json({"sortOrder": "Ascending", "isOwned": True, "cursor": "secret"}))
    log.add_listing(Listing([model(0), model(1)], "secret", "max-items"))
    assert (log.filters, log.items, log.stop_reason) == (["isOwned", "sortOrder"], 2, "max-items")
    assert (log.cursor_in, log.cursor_out) == (True, True)
    log.add_query(Query.from_json({}))
    log.add_listing(Listing([], None, "complete"))
    assert (log.filters, log.items, log.stop_reason) == ([], 0, "complete")
    assert (log.cursor_in, log.cursor_out) == (False, False)


def test_an_unexpected_exception_is_an_internal_error() -> None:
    error = ZeroDivisionError()
    log = failed(error)
    assert (log.outcome, log.error, log.internal_error) == ("internal", None, error)


def test_the_cause_of_an_error_is_an_internal_error() -> None:
    cause = LookupError("the secret has no current version")
    with pytest.raises(Internal) as caught:
        raise Internal from cause
    log = failed(caught.value)
    assert (log.error, log.internal_error) == (caught.value, cause)


@pytest.mark.parametrize(
    ("error", "known", "recorded"),
    [
        (UpstreamUnavailable("There was too little time."), None, "There was too little time."),
        (UpstreamUnavailable("There was too little time."), "ReadTimeoutError", "ReadTimeoutError"),
        (InvalidQuery(detail="The event must be a JSON object."), None, None),
    ],
)
def test_an_upstream_error_keeps_the_error_of_the_call_if_it_is_known(
    error: CustomModelsError, known: str | None, recorded: str | None
) -> None:
    log = failed(error, known)
    assert (log.outcome, log.internal_error, log.usage.last_error) == (error.kind, None, recorded)
