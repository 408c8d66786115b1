"""Two stages in one account and region, one of which gets its account and region later."""

from pathlib import Path

from tests.e2e.aws import ACCOUNT, REGION, Deployment, synthesize

STAGE = "team-a"
STACK = f"custom-models-{STAGE}"


def names(deployment: Deployment) -> list[str]:
    return [model["modelName"] for model in deployment.get("/v1/custom-models?maxItems=3").body["modelSummaries"]]


def test_a_second_stage_and_a_region_that_is_added_later(deployment: Deployment, tmp_path: Path) -> None:
    aws = deployment.aws
    second = aws.deploy(synthesize(tmp_path / "first", STAGE, {}), STACK)
    try:
        assert names(second) == names(deployment)
        assert second.url != deployment.url
        dashboards = {
            entry["DashboardName"] for entry in aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
        }
        assert {f"custom-models-dev-{REGION}", f"{STACK}-{REGION}"} <= dashboards

        # The first account or region of a stage must come with a change of the function (docs/first-deployment.md).
        settings = {"account": ACCOUNT, "region": REGION, "memoryMb": 640}
        again = aws.deploy(synthesize(tmp_path / "again", STAGE, settings), STACK)
        assert names(again) == names(deployment)
        assert again.url == second.url
        alias = aws.client("lambda").get_alias(FunctionName=again.function_name, Name="live")
        assert alias["FunctionVersion"] == "2"
    finally:
        aws.cdk("destroy", "--force", "--app", str(tmp_path / "first"))
