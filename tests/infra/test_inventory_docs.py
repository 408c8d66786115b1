"""docs/inventory.md: its examples work, and its facts are those of the code. SECURITY.md: what it refers to exists."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError

from custom_models import inventory
from custom_models.adapters.bedrock.errors import translate, translate_role
from custom_models.core.errors import UpstreamError
from emulators.bedrock import Emulator, deny
from infra.config import MAX_ACCOUNTS, MAX_SOURCES, Config
from infra.member_role import template
from tests import markdown
from tests.api import Api
from tests.markdown import code, rows

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/inventory.md").read_text("utf-8")
STAGES = json.loads("{" + code(TEXT, "json")[0] + "}")
section = partial(markdown.section, TEXT)


def config() -> Config:
    return Config.read({"stage": "prod", "stages": STAGES}.get)


def test_the_example_is_a_valid_setting() -> None:
    assert config().members == ["111122223333", "444455556666", "777788889999"]
    setting = config().inventory
    assert setting is not None
    assert len(setting.pairs) == 7
    assert "This example has seven sources." in TEXT


def test_the_limits_are_those_of_the_setting_and_of_the_function() -> None:
    limits = dict(rows(section("Limits")))
    assert (limits["accounts"], limits["sources"]) == (str(MAX_ACCOUNTS), str(MAX_SOURCES))
    assert (MAX_ACCOUNTS, MAX_SOURCES) == (inventory.MAX_ACCOUNTS, inventory.MAX_SOURCES)
    assert f"up to {MAX_ACCOUNTS} accounts and {MAX_SOURCES} sources" in TEXT


def error(code: str) -> Exception:
    if not code.endswith("Error"):
        return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Operation")  # type: ignore[typeddict-item]
    kind = getattr(botocore.exceptions, code)
    assert isinstance(kind, type)
    known: Exception = kind(endpoint_url="https://example.com", error="", request=None)
    return known


FAILURES = [
    (kind.strip("`"), code)
    for _, kind, codes, _ in rows(section("When a source fails"))
    for code in re.findall("`([^`]+)`", codes)
    if code != "TimeoutError"  # not translated: the deadline raises it outside of botocore
]


@pytest.mark.parametrize(("kind", "code"), FAILURES)
def test_a_code_in_the_log_belongs_to_its_problem(kind: str, code: str) -> None:
    if code.startswith("sts:"):
        translated: Exception = translate_role(error(code.removeprefix("sts:")), 0)
    else:
        translated = translate(error(code), 0, None)
    assert isinstance(translated, UpstreamError)
    assert translated.kind == kind


def test_there_is_a_row_for_each_kind_of_failure_that_operators_can_fix() -> None:
    assert {kind for kind, _ in FAILURES} == {"upstream-denied", "upstream-throttled", "upstream-unavailable"}


def terraform() -> Iterator[Any]:
    """Yield the policies of the Terraform example, roughly parsed."""
    (example,) = code(TEXT, "hcl")
    for policy in re.findall(r"jsonencode\((\{.*?^  \})\)", example, re.MULTILINE | re.DOTALL):
        quoted = re.sub(r'"?([\w:]+)"?\s+= ', r'"\1": ', policy)
        yield json.loads(re.sub(r'(["}\]])(\n\s*")', r"\1,\2", quoted))


def cloudformation(value: Any) -> Any:
    """Return a part of the template as Terraform writes it."""
    if isinstance(value, list):
        return [cloudformation(item) for item in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["Fn::Sub"]:
        return value["Fn::Sub"].replace("${AWS::Partition}", "${data.aws_partition.current.partition}")
    return {name: cloudformation(item) for name, item in value.items()}


def test_terraform_creates_the_role_of_the_template() -> None:
    role = template(config())["Resources"]["Role"]["Properties"]
    (policy,) = role["Policies"]
    assert list(terraform()) == [
        cloudformation(role["AssumeRolePolicyDocument"]),
        cloudformation(policy["PolicyDocument"]),
    ]
    assert f'name        = "{role["RoleName"]}"' in TEXT
    assert f'description = "{role["Description"]}"' in TEXT
    assert f'name = "{policy["PolicyName"]}"' in TEXT


def test_the_suggested_throttle_fits_stss_quota() -> None:
    suggested = [[int(cell.replace(",", "")) for cell in row] for row in rows(section("Load and cost"))]
    assert suggested[-1][0] == MAX_SOURCES
    for sources, rate, burst, calls in suggested:
        assert rate * sources == calls
        assert burst * min(sources, MAX_ACCOUNTS) <= 600


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("jq")), reason="bash and jq are not installed")
class TestCommands:
    @pytest.fixture
    def environment(self, tmp_path: Path) -> dict[str, str]:
        """A folder with the example's cdk.json, and an ``aws`` that lists accounts."""
        (tmp_path / "cdk.json").write_text(json.dumps({"context": {"stages": STAGES}}))
        states = {"111122223333": "ACTIVE", "123456789012": "ACTIVE", "999900001111": "ACTIVE"}
        states |= {"444455556666": "SUSPENDED", "777788889999": "ACTIVE", "999900002222": "CLOSED"}
        accounts = [{"Id": account, "State": state} for account, state in states.items()]
        aws = tmp_path / "aws"
        aws.write_text(f"#!/bin/sh\necho '{json.dumps({'Accounts': accounts})}'\n")
        aws.chmod(0o755)
        return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def run(self, script: str, folder: Path, environment: dict[str, str]) -> str:
        command = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout

    def test_the_inventory_is_compared_with_the_organization(self, tmp_path: Path, environment: dict[str, str]) -> None:
        (script,) = code(TEXT, "bash")
        assert self.run(script, tmp_path, environment).splitlines() == [
            "Active, but not in the inventory:",
            "999900001111",
            "In the inventory, but not active:",
            "444455556666",
        ]

    def test_the_stack_set_gets_the_members(self, tmp_path: Path, environment: dict[str, str]) -> None:
        (assignment,) = re.findall(r"^\$ (members=\$\(jq .*? cdk\.json\))$", TEXT, re.MULTILINE | re.DOTALL)
        output = self.run(f'{assignment}\necho "$members"', tmp_path, environment)
        assert output.strip().split(",") == config().members


def test_the_query_finds_the_failing_sources(api: Api, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    (pattern,) = re.findall(r"parse @message /(.*)/\n", TEXT)
    pattern = pattern.replace("(?<", "(?P<")
    api.invoke({})
    assert re.search(pattern, capsys.readouterr().out) is None
    emulator.misbehave(deny)
    with pytest.raises(UpstreamError) as caught:
        api.invoke({})
    found = re.search(pattern, capsys.readouterr().out)
    assert found is not None
    assert found["failed"] == f'"{caught.value.source}":"AccessDeniedException"'


def anchors(path: Path) -> set[str]:
    headings = re.findall("^#+ (.*)", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ["docs/inventory.md", "docs/first-deployment.md", "SECURITY.md"])
def test_every_link_has_a_target(name: str) -> None:
    page = ROOT / name
    links = re.findall(r"\]\(([^)]*)\)", re.sub("`[^`\n]*`", "", page.read_text("utf-8")))
    assert links
    for link in links:
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = (page.parent / path) if path else page
            assert target.is_file(), link
            assert not anchor or anchor in anchors(target), link


def test_every_test_that_security_md_names_exists() -> None:
    names = set(re.findall(r"\btest_\w+(?=`)", (ROOT / "SECURITY.md").read_text("utf-8")))
    defined = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert names
    assert names <= defined
