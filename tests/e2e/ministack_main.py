"""Starts ministack. Runs in ministack's own virtual environment.

ministack 1.5.33 rejects stacks with an alarm that has ``Metrics``, which the CDK generates for every metric with
a label. This program replaces such an alarm by one on the first of its metrics, so the stack can be deployed.
"""

import importlib
from typing import Any

provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
create_record = provisioners._cw_metric_alarm_record  # noqa: SLF001 -- ministack has no public hook


def create_record_of_any_alarm(name: str, properties: dict[str, Any]) -> object:
    plain = {key: value for key, value in properties.items() if key != "Metrics"}
    metrics = [query["MetricStat"]["Metric"] for query in properties.get("Metrics", []) if "MetricStat" in query]
    if metrics:
        plain |= {key: metrics[0][key] for key in ("Namespace", "MetricName")}
    return create_record(name, plain)


provisioners._cw_metric_alarm_record = create_record_of_any_alarm  # noqa: SLF001

if __name__ == "__main__":
    importlib.import_module("ministack.app").main()
