"""docs/settings.md: its table is complete, and its examples work."""

import json
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from custom_models import settings
from infra.config import MAX_TAGS, Config
from infra.config import Settings as Setting
from tests import markdown
from tests.installed import script
from tests.markdown import code, rows

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/settings.md").read_text("utf-8")


section = partial(markdown.section, TEXT)


def test_the_table_has_every_setting_and_its_default() -> None:
    documented = {name.strip("`"): default for name, default, _ in rows(section("All settings"))}
    assert set(documented) == set(map(to_camel, Setting.model_fields))
    for name, field in Setting.model_fields.items():
        default, shown = field.default, documented[to_camel(name)]
        if default is None or default in ((), {}):
            assert "`" not in shown
        else:
            assert shown.strip("`") == (str(default).lower() if isinstance(default, bool) else str(default))


@pytest.mark.parametrize(
    ("name", "minimum", "maximum"),
    [
        (name, bounds[0], bounds[1])
        for name, _, value in rows(section("All settings"))
        if (bounds := re.findall("^([0-9]+) to ([0-9]+)", value.replace(":", " ")) and re.findall("[0-9]+", value))
    ],
)
def test_the_ranges_are_those_of_the_settings(name: str, minimum: str, maximum: str) -> None:
    read = {number: accepts(name.strip("`"), number) for number in (int(minimum) - 1, int(minimum), int(maximum))}
    assert list(read.values()) == [False, True, True]
    assert not accepts(name.strip("`"), int(maximum) + 1)


def accepts(name: str, value: int) -> bool:
    try:
        return Config.read({"stage": "dev", "stages": {"dev": {name: value}}}.get) is not None
    except ValueError:
        return False


def test_the_example_is_valid() -> None:
    stages = json.loads("{" + code(TEXT, "json")[0] + "}")
    assert Config.read({"stage": "prod", "stages": stages}.get).tags == {"team": "ml-ops"}


def test_the_limit_of_tags_is_the_settings() -> None:
    assert f"A stage can have {MAX_TAGS} tags." in section("Tags")


def test_the_key_policy_is_for_the_resources_of_the_stage() -> None:
    policy: dict[str, Any] = json.loads(code(section("A key of your own"), "json")[0])
    principals = [statement["Principal"] for statement in policy["Statement"]]
    assert [next(iter(it.values())).split(".")[0] for it in principals[1:]] == ["logs", "cloudwatch"]
    # CloudFormation starts generated names with the name of the stack.
    (groups,) = policy["Statement"][1]["Condition"]["ArnLike"].values()
    assert groups.endswith(":log-group:custom-models-prod-*")


@pytest.mark.slow
def test_the_template_of_a_custom_domain_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "domain.yaml"
    path.write_text(code(TEXT, "yaml")[0])
    command = [*script("cfn-lint"), "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_variables_are_those_of_the_function() -> None:
    documented = {name.strip("`") for name, _ in rows(section("The environment of the function"))}
    read = set(re.findall(r'"([A-Z_]{5,})"', Path(settings.__file__).read_text("utf-8")))
    assert documented == read - {"LOG_LEVEL", "LAMBDA_TASK_ROOT", *settings.LOG_LEVELS}
