"""The Makefile: what it hands on, what it refuses, and where its words go.

It runs in a folder of its own, where ``.venv`` is what the tests put there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TELLS_ARGUMENTS = """#!/bin/sh
for argument; do printf '<%s>' "$argument"; done
"""
INSTALLS = """#!/bin/sh
case "$*" in
"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/uv ;;
*local*) printf '{}' ;;
esac
"""


class Make:
    """Runs `make` on the Makefile, with a Python that is a script."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copy(ROOT / "Makefile", folder)

    def script(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/usr/bin/env", "make", *arguments],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def handed(self, *arguments: str, **environment: str) -> str:
        """Return what a set-up environment's Python is called with, each argument in <>."""
        result = self.run("-o", ".venv/function", *arguments, **environment)
        assert (result.returncode, result.stderr) == (0, ""), result
        return result.stdout


@pytest.fixture
def make(tmp_path: Path) -> Make:
    make = Make(tmp_path)
    make.script(".venv/bin/python", TELLS_ARGUMENTS)
    make.script(".venv/function", "")
    return make


class TestWhatIsHandedOn:
    def test_without_variables(self, make: Make) -> None:
        assert make.handed("run") == "<-m><local><serve><--port=8000><--bedrock=emulator>"
        assert make.handed("invoke") == '<-m><local><invoke><--bedrock=emulator><{"maxItems": 2}>'

    def test_every_variable(self, make: Make) -> None:
        given = ("BEDROCK=aws", "MODELS=my models.json", "COUNT=5", "ACCOUNT=1")
        handed = "<--bedrock=aws><--models=my models.json><--count=5><--account=1>"
        assert make.handed("run", "PORT=9000", *given) == f"<-m><local><serve><--port=9000>{handed}"
        assert make.handed("invoke", "EVENT={}", *given) == f"<-m><local><invoke>{handed}<{{}}>"

    def test_a_value_is_handed_on_as_it_was_typed(self, make: Make) -> None:
        text = """it's "a" b, $HOME $(shell id) $$, `id`; id\na\\b é #1"""
        handed = make.handed("invoke", f"EVENT={text}", f"MODELS={text}")
        assert handed == f"<-m><local><invoke><--bedrock=emulator><--models={text}><{text}>"

    def test_an_empty_value_is_not_left_out(self, make: Make) -> None:
        assert "<--port=><--bedrock=emulator><--models=>" in make.handed("run", "MODELS=", "PORT=")

    def test_the_environment_counts(self, make: Make) -> None:
        assert "<--port=9><--bedrock=emulator><--models=a b>" in make.handed("run", PORT="9", MODELS="a b")

    def test_an_account_of_the_shells_own_counts_beside_models_only(self, make: Make) -> None:
        assert make.handed("run", ACCOUNT="1") == "<-m><local><serve><--port=8000><--bedrock=emulator>"
        assert make.handed("run", "MODELS=a", ACCOUNT="1").endswith("<--models=a><--account=1>")
        assert make.handed("run", "ACCOUNT=1").endswith("<--bedrock=emulator><--account=1>")


class TestVariables:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["run", "PROT=9000"], "'make run' takes no PROT; it takes PORT BEDROCK MODELS COUNT ACCOUNT"),
            (["run", "models=my.json"], "'make run' takes no models; it takes PORT"),
            (["check", "PORT=9000"], "'make check' takes no PORT ("),
            (["STAGE=dev"], "'make help' takes no STAGE ("),
            (["invoke", "PORT=9000", "EVENT={}"], "'make invoke' takes no PORT; it takes EVENT"),
        ],
    )
    def test_one_that_a_target_does_not_take_is_refused(self, make: Make, arguments: list[str], told: str) -> None:
        result = make.run(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert told in line

    def test_others_of_the_environment_are_nobodys_business(self, make: Make) -> None:
        assert make.run("help", STAGE="dev", PROT="9000").returncode == 0


class TestHelp:
    def test_it_has_every_target(self, make: Make) -> None:
        result = make.run("help")
        assert (result.returncode, result.stderr) == (0, "")
        assert make.run().stdout == result.stdout
        targets = set(re.findall(r"^  make ([a-z ]+?)  ", result.stdout, re.MULTILINE))
        (phony,) = re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)
        assert {target for line in targets for target in line.split()} == set(phony.split())

    def test_it_has_every_variable_beside_its_target(self, make: Make) -> None:
        listed, _, _ = make.run("help").stdout.partition("For example")
        sections = re.split(r"^  make ", listed, flags=re.MULTILINE)[1:]
        for target, taken in re.findall(r"^TAKES_(\w+) := (.*)", MAKEFILE, re.MULTILINE):
            (section,) = [text for text in sections if target in text.splitlines()[0].split("  ")[0].split()]
            assert set(taken.split()) <= set(re.findall(r"[A-Z]+", section)), target

    def test_its_columns_stand_in_line(self, make: Make) -> None:
        listed, _, _ = make.run("help").stdout.partition("For example")
        lines = [line for line in listed.splitlines() if line.startswith("  ")]
        assert max(map(len, lines)) < 120
        assert all(line[33] == " " != line[34] for line in lines), lines


class TestStandardOutput:
    def test_it_is_the_functions_alone(self, make: Make, tmp_path: Path) -> None:
        make.script(".venv/bin/python", f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
        result = make.run("-o", ".venv/function", "invoke", """EVENT={"it's": 1}""")
        assert json.loads(result.stdout)["errorMessage"].startswith("it's is not a parameter")
        assert result.returncode == 2
        # As it is behind a `| jq .`, and the first time, when there is all to install.
        shutil.rmtree(tmp_path / ".venv")
        make.script("python", INSTALLS)
        for name in ("requirements/installer.txt", "lambda_src/requirements.txt"):
            make.script(name, "")
        first = make.run("PYTHON=./python", "invoke")
        assert (first.returncode, first.stdout) == (0, "{}")
        assert [line.split(":")[0] for line in first.stderr.splitlines()] == [
            "Setting up .venv with , once",
            "Installing what the function needs, once",
        ]
        again = make.run("PYTHON=./python", "invoke")
        assert (again.stdout, again.stderr) == ("{}", "")
