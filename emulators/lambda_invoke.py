"""An emulator of Lambda's Invoke API in front of the function, so that real clients invoke the real bundle.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
import threading
from typing import Any

from emulators.lambda_runtime import Function
from emulators.server import Request, Response, json_response

ALIAS = "arn:aws:lambda:us-east-1:123456789012:function:custom-models:live"


class InvokeApi:
    """The function under the name of its alias, invoked with one event at a time.

    Attributes:
        events: every event that reached the function, in order.
        failures: errors of the Lambda service for the next requests, each a status and an error code.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Clear events and failures."""
        self.events: list[Any] = []
        self.failures: list[tuple[int, str]] = []

    def respond(self, request: Request) -> Response:
        """Return the response to an HTTP request."""
        with self._lock:
            if (request.method, request.path) != ("POST", f"/2015-03-31/functions/{ALIAS}/invocations"):
                return _error(404, "ResourceNotFoundException")
            if self.failures:
                return _error(*self.failures.pop(0))
            event = json.loads(request.body)
            self.events.append(event)
            report = self._function.invoke(event)
        error = {} if report.kind == "response" else {"X-Amz-Function-Error": "Unhandled"}
        return json_response(report.content, headers={"X-Amz-Executed-Version": "1", **error})


def _error(status: int, code: str) -> Response:
    return json_response({"Message": f"This is {code}."}, status, {"x-amzn-ErrorType": code})
