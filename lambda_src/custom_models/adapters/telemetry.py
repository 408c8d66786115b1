"""The log line and the metrics of each request."""

import json
import logging
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from custom_models.core.errors import CursorError
from custom_models.request_log import RequestLog

NAMESPACE = "CustomModels"

REQUESTS = "Requests"
ITEMS = "Items"
UPSTREAM_PAGES = "UpstreamPages"
UPSTREAM_THROTTLES = "UpstreamThrottles"
UPSTREAM_LATENCY = "UpstreamLatency"
REJECTED_CURSORS = "RejectedCursors"
UNREACHABLE_SOURCES = "UnreachableSources"
"""The sources that this request left out of the listing because they failed."""
OPERATOR_ERRORS = "OperatorErrors"
"""1 for a request whose failure only the operators of this API can fix; 0 for every other request."""
OUTCOME = "outcome"
"""The second dimension of REQUESTS; the first one is the service."""

_REQUEST_UNITS = {REQUESTS: MetricUnit.Count}
_UNITS = dict.fromkeys((ITEMS, REJECTED_CURSORS, OPERATOR_ERRORS, UNREACHABLE_SOURCES), MetricUnit.Count)
_UPSTREAM_UNITS = {
    UPSTREAM_PAGES: MetricUnit.Count,
    UPSTREAM_THROTTLES: MetricUnit.Count,
    UPSTREAM_LATENCY: MetricUnit.Milliseconds,
}
"""Reported only for requests that called upstream. The others would distort the latency."""


class Telemetry:
    """The log and the metrics of this function. Both are written to standard output."""

    def __init__(self, service: str) -> None:
        """``service`` is the name of this stage in the log lines and the metrics.

        Powertools reads the log level from ``POWERTOOLS_LOG_LEVEL`` or ``AWS_LAMBDA_LOG_LEVEL``.
        """
        self._service = service
        by_outcome = _definition(service, _REQUEST_UNITS, OUTCOME)
        self._definitions = {
            False: [by_outcome, _definition(service, _UNITS)],
            True: [by_outcome, _definition(service, {**_UNITS, **_UPSTREAM_UNITS})],
        }
        self._logger = Logger(service=service, utc=True, use_rfc3339=True, location=None)
        # The package's modules log under their own names. Their lines must have the same format, and the
        # handler that Lambda adds to the root logger must not write them a second time.
        package = logging.getLogger("custom_models")
        package.addHandler(self._logger.registered_handler)
        package.propagate = False
        # botocore and urllib3 log tokens and keys at DEBUG. urllib3 also logs them in the URLs of its warnings.
        # botocore's lines at INFO, about where it found a setting, are not in JSON.
        logging.getLogger("botocore").setLevel(logging.WARNING)
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._lock = threading.Lock()
        self._cold_start = True

    def emit(self, log: RequestLog, function_request_id: str) -> None:
        """Write the log line and the metrics of a request that has ended."""
        line = json.dumps(self._metrics(log), separators=(",", ":")) + "\n"
        with self._lock:
            self._write_log(log, function_request_id)
            sys.stdout.write(line)
            sys.stdout.flush()

    def _write_log(self, log: RequestLog, function_request_id: str) -> None:
        cold_start, self._cold_start = self._cold_start, False
        usage = log.usage
        write = {logging.ERROR: self._logger.error, logging.WARNING: self._logger.warning}.get(
            _level(log), self._logger.info
        )
        write(
            "request",
            exc_info=log.internal_error,
            extra={
                "route": log.route,
                "outcome": log.outcome,
                "status": log.status,
                "items": log.items,
                "stop_reason": log.stop_reason,
                "filters": log.filters,
                "accounts": log.accounts,
                "regions": log.regions,
                "sources": log.sources,
                "sources_listed": log.sources_listed,
                "sources_failed": usage.failed,
                "cursor_in": log.cursor_in,
                "cursor_out": log.cursor_out,
                "upstream_pages": usage.calls,
                "upstream_ms": _upstream_ms(log),
                "upstream_retries": usage.retries,
                "upstream_throttles": usage.throttles,
                "upstream_error": usage.last_error,
                "total_ms": round((time.monotonic() - log.started) * 1000, 1),
                "caller": log.caller,
                "request_id": log.request_id,
                "correlation_id": log.correlation_id or log.request_id,
                "function_request_id": function_request_id,
                "cold_start": cold_start,
            },
        )

    def _metrics(self, log: RequestLog) -> Mapping[str, Any]:
        """Return the metrics in CloudWatch's embedded metric format: one event, two sets of dimensions.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        """
        called = log.usage.calls > 0
        metrics: dict[str, Any] = {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": self._definitions[called]},
            "service": self._service,
            OUTCOME: log.outcome,
            REQUESTS: 1,
            ITEMS: log.items,
            REJECTED_CURSORS: int(isinstance(log.error, CursorError)),
            OPERATOR_ERRORS: int(_is_for_operators(log)),
            UNREACHABLE_SOURCES: log.usage.unreachable,
        }
        if called:
            metrics[UPSTREAM_PAGES] = log.usage.calls
            metrics[UPSTREAM_THROTTLES] = log.usage.throttles
            metrics[UPSTREAM_LATENCY] = _upstream_ms(log)
        return metrics


def _definition(service: str, units: Mapping[str, MetricUnit], *dimensions: str) -> object:
    """Return Powertools' definition of these metrics, with the dimension ``service`` and the given ones.

    It is created once. Powertools would create it for each request, which takes 8% of a small request's time.
    """
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    for name, unit in units.items():
        metrics.add_metric(name, unit, 0)
    for name in dimensions:
        metrics.add_dimension(name, "any")
    (definition,) = metrics.serialize_metric_set()["_aws"]["CloudWatchMetrics"]
    return definition


def _upstream_ms(log: RequestLog) -> float:
    return round(log.usage.seconds * 1000, 1)


def _is_for_operators(log: RequestLog) -> bool:
    return log.internal_error is not None or (log.error is not None and log.error.for_operators)


def _level(log: RequestLog) -> int:
    if _is_for_operators(log):
        return logging.ERROR
    return logging.WARNING if log.usage.last_error is not None else logging.INFO
