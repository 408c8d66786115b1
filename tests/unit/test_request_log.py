"""The request log: what is recorded about a request."""

import pytest

from custom_models.core.budget import Limits, Usage
from custom_models.core.coverage import Coverage
from custom_models.core.errors import CustomModelsError, Internal, InvalidQuery, UpstreamUnavailable
from custom_models.core.listing import Listing
from custom_models.core.models import SourcedModel
from custom_models.request_log import RequestLog
from tests.doubles import SOURCE, from_json, model


def new_log() -> RequestLog:
    return RequestLog("request", Limits(deadline=0))


def log_of_failure(error: Exception, last_error: str | None = None) -> RequestLog:
    log = RequestLog("request", Limits(deadline=0), Usage(last_error=last_error))
    log.add_error(error)
    return log


def test_the_outcome_is_internal_until_another_one_is_recorded() -> None:
    log = new_log()
    assert (log.outcome, log.status, log.items, log.stop_reason) == ("internal", None, 0, None)
    assert (log.cursor_in, log.cursor_out, log.filters) == (False, False, ())


def test_the_query_and_the_listing_are_recorded_without_the_cursor() -> None:
    log = new_log()
    log.add_query(from_json({"sortOrder": "Ascending", "isOwned": True, "cursor": "secret-1"}))
    log.add_listing(
        Listing(
            [SourcedModel(**model(number), source=str(SOURCE)) for number in range(2)],
            "secret-2",
            Coverage((SOURCE, SOURCE), "."),
            "max-items",
        )
    )
    assert (log.filters, log.items, log.stop_reason) == (["isOwned", "sortOrder"], 2, "max-items")
    assert (log.cursor_in, log.cursor_out) == (True, True)
    assert "secret" not in str(vars(log))
    log.add_query(from_json({}))
    log.add_listing(Listing([], None, Coverage((SOURCE,), "."), "complete"))
    assert (log.filters, log.items, log.stop_reason) == ([], 0, "complete")
    assert (log.cursor_in, log.cursor_out) == (False, False)


def test_an_unexpected_exception_is_recorded_as_an_internal_error() -> None:
    error = ZeroDivisionError()
    log = log_of_failure(error)
    assert (log.outcome, log.error, log.internal_error) == ("internal", None, error)


def test_the_cause_of_an_error_is_recorded_as_an_internal_error() -> None:
    cause = LookupError("the secret has no current version")
    with pytest.raises(Internal) as caught:
        raise Internal from cause
    log = log_of_failure(caught.value)
    assert (log.error, log.internal_error) == (caught.value, cause)


@pytest.mark.parametrize(
    ("error", "last_error", "recorded"),
    [
        (UpstreamUnavailable("There was too little time."), None, "There was too little time."),
        (UpstreamUnavailable("There was too little time."), "ReadTimeoutError", "ReadTimeoutError"),
        (InvalidQuery(detail="The event must be a JSON object."), None, None),
    ],
)
def test_an_upstream_error_does_not_replace_the_last_error_of_a_call(
    error: CustomModelsError, last_error: str | None, recorded: str | None
) -> None:
    log = log_of_failure(error, last_error)
    assert (log.outcome, log.internal_error, log.usage.last_error) == (error.kind, None, recorded)
