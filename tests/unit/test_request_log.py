"""The record: what the log is told of a request."""

import pytest

from custom_models.core.budget import Budget
from custom_models.core.errors import CustomModelsError, Internal, InvalidQuery, UpstreamUnavailable
from custom_models.core.listing import Listing
from custom_models.core.query import Query
from custom_models.request_log import RequestLog
from tests.doubles import model


def failed(error: Exception, failure: str | None = None) -> RequestLog:
    record = RequestLog("request", Budget(deadline=0, failure=failure))
    record.failed(error)
    return record


def test_a_request_that_nothing_is_known_of_is_a_fault_of_ours() -> None:
    record = RequestLog("request", Budget(deadline=0))
    assert (record.outcome, record.status, record.items, record.end) == ("internal", None, 0, None)
    assert (record.cursor_in, record.cursor_out, record.filters) == (False, False, ())


def test_what_was_asked_for_and_what_came_of_it() -> None:
    record = RequestLog("request", Budget(deadline=0))
    record.asked(Query.from_json({"sortOrder": "Ascending", "isOwned": True, "cursor": "secret"}))
    record.listed(Listing([model(0), model(1)], "secret", "max-items"))
    assert (record.filters, record.items, record.end) == (["isOwned", "sortOrder"], 2, "max-items")
    assert (record.cursor_in, record.cursor_out) == (True, True)
    record.asked(Query.from_json({}))
    record.listed(Listing([], None, "complete"))
    assert (record.filters, record.items, record.end) == ([], 0, "complete")
    assert (record.cursor_in, record.cursor_out) == (False, False)


def test_what_nobody_expected_is_a_fault() -> None:
    error = ZeroDivisionError()
    record = failed(error)
    assert (record.outcome, record.fault) == ("internal", error)


def test_what_caused_an_error_of_ours_is_a_fault() -> None:
    cause = LookupError("the secret has no current version")
    with pytest.raises(Internal) as caught:
        raise Internal from cause
    assert failed(caught.value).fault is cause


@pytest.mark.parametrize(
    ("error", "known", "told"),
    [
        (UpstreamUnavailable("There was too little time."), None, "There was too little time."),
        (UpstreamUnavailable("There was too little time."), "ReadTimeoutError", "ReadTimeoutError"),
        (InvalidQuery(detail="The event must be a JSON object."), None, None),
    ],
)
def test_upstreams_failure_is_told_as_upstream_said_it_if_it_did(
    error: CustomModelsError, known: str | None, told: str | None
) -> None:
    record = failed(error, known)
    assert (record.outcome, record.fault, record.budget.failure) == (error.kind, None, told)
