"""Starts ministack, run by its own interpreter.

1.5.33 refuses a stack that has an alarm with ``Metrics``, which is how the CDK renders any metric with a label.
Here it takes such an alarm for one on the first of the metrics: the alarms are there, what they count is not.
"""

import importlib
from typing import Any

provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
record_of_plain_alarm = provisioners._cw_metric_alarm_record  # noqa: SLF001 -- ministack has no public hook


def record_of_alarm(name: str, properties: dict[str, Any]) -> object:
    plain = {key: value for key, value in properties.items() if key != "Metrics"}
    metrics = [query["MetricStat"]["Metric"] for query in properties.get("Metrics", []) if "MetricStat" in query]
    if metrics:
        plain |= {key: metrics[0][key] for key in ("Namespace", "MetricName")}
    return record_of_plain_alarm(name, plain)


provisioners._cw_metric_alarm_record = record_of_alarm  # noqa: SLF001

if __name__ == "__main__":
    importlib.import_module("ministack.app").main()
