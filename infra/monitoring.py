"""Alarms and one dashboard: is it healthy, is it slow, is Bedrock throttling us, who calls it."""

from aws_cdk import Duration, aws_cloudwatch, aws_iam, aws_sns, aws_sns_subscriptions
from cdk_monitoring_constructs import (
    AlarmFactoryDefaults,
    CustomMetricGroup,
    CustomMetricWithAlarm,
    CustomThreshold,
    DefaultDashboardFactory,
    ErrorCountThreshold,
    LatencyThreshold,
    MonitoringFacade,
    SnsAlarmActionStrategy,
)
from constructs import Construct

from infra.config import Config
from infra.function import Function
from infra.rest_api import Api

# As the function has them; a test holds the two equal.
NAMESPACE = "CustomModels"
REQUESTS = "Requests"
ITEMS = "Items"
UPSTREAM_PAGES = "UpstreamPages"
UPSTREAM_THROTTLES = "UpstreamThrottles"
UPSTREAM_LATENCY = "UpstreamLatency"
REJECTED_CURSORS = "RejectedCursors"
OUTCOME = "outcome"
FAULTS = ("internal", "upstream-denied", "upstream-invalid")
"""The outcomes that only the operators of this API can mend."""

OTHER_OUTCOMES = (
    *("ok", "not-modified", "invalid-query", "invalid-cursor", "expired-cursor", "cursor-mismatch"),
    *("upstream-throttled", "upstream-unavailable", "upstream-rejected", "not-found", "method-not-allowed"),
)


class Monitoring(Construct):
    """What to look at, and what to be told of."""

    def __init__(self, scope: Construct, construct_id: str, *, config: Config, api: Api, function: Function) -> None:
        """Take the settings, and what is watched."""
        super().__init__(scope, construct_id)
        name = f"custom-models-{config.stage}"
        topic = _topic(self, config)
        facade = MonitoringFacade(
            self,
            "Facade",
            alarm_factory_defaults=AlarmFactoryDefaults(
                actions_enabled=topic is not None,
                alarm_name_prefix=name,
                action=SnsAlarmActionStrategy(on_alarm_topic=topic) if topic is not None else None,
            ),
            dashboard_factory=DefaultDashboardFactory(self, "Dashboards", dashboard_name_prefix=name),
        )
        facade.monitor_api_gateway(
            api=api.rest_api,
            api_stage=config.stage,
            human_readable_name="API",
            alarm_friendly_name="Api",
            add5_xx_fault_count_alarm={"Faults": ErrorCountThreshold(max_error_count=5, datapoints_to_alarm=1)},
            add_latency_p99_alarm={"Slow": LatencyThreshold(max_latency=Duration.seconds(10), datapoints_to_alarm=3)},
        )
        facade.monitor_lambda_function(
            lambda_function=function.function,
            human_readable_name="Function",
            alarm_friendly_name="Function",
            # What a direct caller is told by an exception counts here too, so a few are no alarm.
            add_fault_count_alarm={"Errors": ErrorCountThreshold(max_error_count=20, datapoints_to_alarm=1)},
        )
        facade.monitor_custom(
            human_readable_name="Listings",
            alarm_friendly_name="Listings",
            metric_groups=_metric_groups(service=name),
        )
        facade.add_widget(_callers(function))


def _metric_groups(*, service: str) -> list[CustomMetricGroup]:
    def metric(name: str, statistic: str, label: str | None = None, **dimensions: str) -> aws_cloudwatch.Metric:
        return aws_cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            statistic=statistic,
            label=label or name,
            period=Duration.minutes(5),
            dimensions_map={"service": service, **dimensions},
        )

    def requests(outcome: str) -> aws_cloudwatch.Metric:
        return metric(REQUESTS, aws_cloudwatch.Stats.SUM, outcome, **{OUTCOME: outcome})

    faults = aws_cloudwatch.MathExpression(
        expression=" + ".join(f"FILL(m{index}, 0)" for index in range(len(FAULTS))),
        using_metrics={f"m{index}": requests(outcome) for index, outcome in enumerate(FAULTS)},
        label="faults",
        period=Duration.minutes(5),
    )
    above = aws_cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
    return [
        CustomMetricGroup(
            title="Requests by outcome",
            metrics=[
                *map(requests, OTHER_OUTCOMES),
                CustomMetricWithAlarm(
                    metric=faults,
                    alarm_friendly_name="Faults",
                    add_alarm={"Any": CustomThreshold(threshold=0, comparison_operator=above, datapoints_to_alarm=1)},
                ),
            ],
        ),
        CustomMetricGroup(
            title="Bedrock's throttling",
            metrics=[
                CustomMetricWithAlarm(
                    metric=metric(UPSTREAM_THROTTLES, aws_cloudwatch.Stats.SUM),
                    alarm_friendly_name="UpstreamThrottles",
                    add_alarm={"Many": CustomThreshold(threshold=20, comparison_operator=above, datapoints_to_alarm=2)},
                ),
            ],
        ),
        CustomMetricGroup(
            title="Bedrock's latency",
            metrics=[metric(UPSTREAM_LATENCY, statistic, statistic) for statistic in ("p50", "p99")],
        ),
        CustomMetricGroup(
            title="Models and pages",
            metrics=[metric(name, aws_cloudwatch.Stats.SUM) for name in (ITEMS, UPSTREAM_PAGES, REJECTED_CURSORS)],
        ),
    ]


def _callers(function: Function) -> aws_cloudwatch.LogQueryWidget:
    return aws_cloudwatch.LogQueryWidget(
        title="Who calls it",
        log_group_names=[function.function.log_group.log_group_name],
        width=24,
        height=8,
        query_lines=[
            "filter message = 'request'",
            "stats count(*) as requests, sum(items) as models, pct(total_ms, 99) as p99_ms by caller, route, outcome",
            "sort requests desc",
        ],
    )


def _topic(scope: Construct, config: Config) -> aws_sns.ITopic | None:
    if config.alarm_topic_arn is not None:
        return aws_sns.Topic.from_topic_arn(scope, "Topic", config.alarm_topic_arn)
    if config.alarm_email is None:
        return None
    topic = aws_sns.Topic(scope, "Topic", enforce_ssl=True)
    topic.add_to_resource_policy(
        aws_iam.PolicyStatement(
            actions=["sns:Publish"],
            principals=[aws_iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            resources=[topic.topic_arn],
        )
    )
    topic.add_subscription(aws_sns_subscriptions.EmailSubscription(config.alarm_email))
    return topic
