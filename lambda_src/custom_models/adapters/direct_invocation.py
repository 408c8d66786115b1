"""Direct invocation: accepts a JSON object and returns one. Each kind of failure raises its own class."""

from collections.abc import Sequence
from typing import Any

from custom_models.core.errors import CustomModelsError, Internal, InvalidQuery
from custom_models.core.models import Source
from custom_models.core.query import Query
from custom_models.request_log import ListModels, RequestLog


class DirectInvocation:
    """Handles invocations by Step Functions, other functions and the AWS CLI."""

    def __init__(self, inventory: Sequence[Source], list_models: ListModels) -> None:
        """``list_models`` returns the listing of a query."""
        self._inventory = inventory
        self._list_models = list_models

    def handle(self, event: object, log: RequestLog) -> dict[str, Any]:
        """Return the listing that the event requests.

        Raises:
            CustomModelsError: one of its subclasses, which a state machine matches with ``ErrorEquals``.
                It has no cause, because the Lambda runtime reports the stack trace to the caller.
        """
        try:
            if not isinstance(event, dict):
                raise InvalidQuery(
                    detail='The event must be a JSON object of parameters, such as {} or {"maxItems": 5}.'
                )
            body = self._list_models(Query.from_json(event, self._inventory), log).body()
        except CustomModelsError as error:
            log.add_error(error)
            raise error from None
        except Exception as error:
            log.add_error(error)
            raise Internal from None
        log.outcome = "ok"
        return body
