"""Starts ministack. Runs in ministack's own virtual environment.

This program corrects two things in ministack 1.5.33:

- It rejects stacks with an alarm that has ``Metrics``, which the CDK generates for every metric with a label. Such an
  alarm is replaced by one on the first of its metrics, so the stack can be deployed.
- For a role, its ``aws:PrincipalArn`` is the ARN of the session. On AWS, it is the ARN of the role:
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
"""

import importlib
import re
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

evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")
resolve = evaluator._resolve_condition_key  # noqa: SLF001


def resolve_with_roles(key: str, context: Any) -> object:
    value = resolve(key, context)
    if key.lower() != "aws:principalarn":
        return value
    # The roles of these tests have no path.
    return re.sub("^(arn:[^:]+):sts::([0-9]+):assumed-role/([^/]+)/.*", r"\1:iam::\2:role/\3", value)


evaluator._resolve_condition_key = resolve_with_roles  # noqa: SLF001

if __name__ == "__main__":
    importlib.import_module("ministack.app").main()
