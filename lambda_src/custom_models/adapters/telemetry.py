"""One log line and the metrics of each request, made of its record."""

import json
import logging
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from custom_models.request_log import RequestLog

NAMESPACE = "CustomModels"

REQUESTS = "Requests"
ITEMS = "Items"
UPSTREAM_PAGES = "UpstreamPages"
UPSTREAM_THROTTLES = "UpstreamThrottles"
UPSTREAM_LATENCY = "UpstreamLatency"
REJECTED_CURSORS = "RejectedCursors"
OUTCOME = "outcome"
"""The dimension of REQUESTS, beside the service."""

_OF_REQUESTS = {REQUESTS: MetricUnit.Count}
_OF_ALL = {ITEMS: MetricUnit.Count, REJECTED_CURSORS: MetricUnit.Count}
_OF_CALLS = {
    UPSTREAM_PAGES: MetricUnit.Count,
    UPSTREAM_THROTTLES: MetricUnit.Count,
    UPSTREAM_LATENCY: MetricUnit.Milliseconds,
}
"""Of the requests that called upstream: where nothing was asked, nothing was slow or fast."""

_CURSOR_OUTCOMES = frozenset({"invalid-cursor", "expired-cursor", "cursor-mismatch"})
_OPERATORS_OUTCOMES = frozenset({"internal", "upstream-denied", "upstream-invalid"})
"""What the operators of this API should look at, and nobody else can mend."""


class Telemetry:
    """The log and the metrics of this function, both on standard output."""

    def __init__(self, service: str) -> None:
        """Take the name that tells this function's lines and metrics from another stage's.

        The level is Powertools' to read, from ``POWERTOOLS_LOG_LEVEL`` or ``AWS_LAMBDA_LOG_LEVEL``.
        """
        self._service = service
        by_outcome = _definition(service, _OF_REQUESTS, OUTCOME)
        self._definitions = {
            False: [by_outcome, _definition(service, _OF_ALL)],
            True: [by_outcome, _definition(service, {**_OF_ALL, **_OF_CALLS})],
        }
        self._logger = Logger(service=service, utc=True, use_rfc3339=True, location=None)
        # The package's modules log under their own names: their lines should look like the others, and not
        # be written once more by the handler that Lambda has on the root.
        package = logging.getLogger("custom_models")
        package.addHandler(self._logger.registered_handler)
        package.propagate = False
        # These log tokens and keys as they come and go: at DEBUG always, urllib3 in the URLs of its warnings too.
        logging.getLogger("botocore").setLevel(logging.INFO)
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._lock = threading.Lock()
        self._cold_start = True

    def emit(self, record: RequestLog, function_request_id: str) -> None:
        """Write the canonical line of a request that has ended, and its metrics."""
        line = json.dumps(self._metrics(record), separators=(",", ":")) + "\n"
        with self._lock:
            self._log(record, function_request_id)
            sys.stdout.write(line)
            sys.stdout.flush()

    def _log(self, record: RequestLog, function_request_id: str) -> None:
        cold_start, self._cold_start = self._cold_start, False
        budget = record.budget
        log = {logging.ERROR: self._logger.error, logging.WARNING: self._logger.warning}.get(
            _level(record), self._logger.info
        )
        log(
            "request",
            exc_info=record.fault,
            extra={
                "route": record.route,
                "outcome": record.outcome,
                "status": record.status,
                "items": record.items,
                "end": record.end,
                "filters": record.filters,
                "cursor_in": record.cursor_in,
                "cursor_out": record.cursor_out,
                "upstream_pages": budget.calls,
                "upstream_ms": _upstream_ms(record),
                "upstream_retries": budget.retries,
                "upstream_throttles": budget.throttles,
                "upstream_error": budget.failure,
                "total_ms": round((time.monotonic() - record.started) * 1000, 1),
                "caller": record.caller,
                "request_id": record.request_id,
                "correlation_id": record.correlation_id or record.request_id,
                "function_request_id": function_request_id,
                "cold_start": cold_start,
            },
        )

    def _metrics(self, record: RequestLog) -> Mapping[str, Any]:
        """Return the metrics in CloudWatch's embedded metric format: one event, two sets of dimensions.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        """
        asked = record.budget.calls > 0
        metrics: dict[str, Any] = {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": self._definitions[asked]},
            "service": self._service,
            OUTCOME: record.outcome,
            REQUESTS: 1,
            ITEMS: record.items,
            REJECTED_CURSORS: int(record.outcome in _CURSOR_OUTCOMES),
        }
        if asked:
            metrics[UPSTREAM_PAGES] = record.budget.calls
            metrics[UPSTREAM_THROTTLES] = record.budget.throttles
            metrics[UPSTREAM_LATENCY] = _upstream_ms(record)
        return metrics


def _definition(service: str, units: Mapping[str, MetricUnit], *dimensions: str) -> object:
    """Return Powertools' definition of some metrics by service and other dimensions.

    Made once: Powertools makes it anew for each set of values, which takes a twelfth of a small request.
    """
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    for name, unit in units.items():
        metrics.add_metric(name, unit, 0)
    for name in dimensions:
        metrics.add_dimension(name, "any")
    (definition,) = metrics.serialize_metric_set()["_aws"]["CloudWatchMetrics"]
    return definition


def _upstream_ms(record: RequestLog) -> float:
    return round(record.budget.seconds * 1000, 1)


def _level(record: RequestLog) -> int:
    if record.fault is not None or record.outcome in _OPERATORS_OUTCOMES:
        return logging.ERROR
    return logging.WARNING if record.budget.failure is not None else logging.INFO
