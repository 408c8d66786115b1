"""One log line and the metrics of each request, made of its record."""

import logging
import threading
import time

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from custom_models.core.record import Record

NAMESPACE = "CustomModels"

REQUESTS = "Requests"
ITEMS = "Items"
UPSTREAM_PAGES = "UpstreamPages"
UPSTREAM_THROTTLES = "UpstreamThrottles"
UPSTREAM_LATENCY = "UpstreamLatency"
REJECTED_CURSORS = "RejectedCursors"
OUTCOME = "outcome"
"""The dimension of REQUESTS, beside the service."""

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

    def emit(self, record: Record, function_request_id: str) -> None:
        """Write the canonical line of a request that has ended, and its metrics."""
        with self._lock:  # each line is written in two parts
            self._emit(record, function_request_id)

    def _emit(self, record: Record, function_request_id: str) -> None:
        cold_start, self._cold_start = self._cold_start, False
        budget = record.budget
        upstream_ms = round(budget.seconds * 1000, 1)
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
                "upstream_ms": upstream_ms,
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
        # Metrics of its own for each request: the shared ones of Powertools mix what runs side by side.
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        metrics.add_metric(ITEMS, MetricUnit.Count, record.items)
        metrics.add_metric(REJECTED_CURSORS, MetricUnit.Count, float(record.outcome in _CURSOR_OUTCOMES))
        if budget.calls:
            metrics.add_metric(UPSTREAM_PAGES, MetricUnit.Count, budget.calls)
            metrics.add_metric(UPSTREAM_THROTTLES, MetricUnit.Count, budget.throttles)
            metrics.add_metric(UPSTREAM_LATENCY, MetricUnit.Milliseconds, upstream_ms)
        metrics.flush_metrics()
        outcomes = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        outcomes.add_dimension(OUTCOME, record.outcome)
        outcomes.add_metric(REQUESTS, MetricUnit.Count, 1)
        outcomes.flush_metrics()


def _level(record: Record) -> int:
    if record.fault is not None or record.outcome in _OPERATORS_OUTCOMES:
        return logging.ERROR
    return logging.WARNING if record.budget.failure is not None else logging.INFO
