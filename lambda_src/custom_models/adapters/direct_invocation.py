"""Direct invocation: a JSON object in, a JSON object out, and an exception whose class says what failed."""

from typing import Any

from custom_models.core.errors import CustomModelsError, Internal, InvalidQuery
from custom_models.core.query import Query
from custom_models.request_log import ListModels, RequestLog


class Direct:
    """Answers Step Functions, other functions and the command line."""

    def __init__(self, list_models: ListModels) -> None:
        """Take what makes a listing of a query."""
        self._list_models = list_models

    def handle(self, event: object, record: RequestLog) -> dict[str, Any]:
        """Return the listing that an event asks for.

        Raises:
            CustomModelsError: one of its classes, for a state machine's ``ErrorEquals``. Without a
                cause: the Lambda runtime reports the stack trace of what is raised.
        """
        try:
            if not isinstance(event, dict):
                raise InvalidQuery(
                    detail='The event must be a JSON object of parameters, such as {} or {"maxItems": 5}.'
                )
            body = self._list_models(Query.from_json(event), record).body()
        except CustomModelsError as error:
            record.failed(error)
            raise error from None
        except Exception as fault:
            record.failed(fault)
            raise Internal from None
        record.outcome = "ok"
        return body
