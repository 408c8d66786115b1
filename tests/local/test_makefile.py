"""The Makefile: the arguments that it passes on, its help, and its output.

It runs in a temporary folder, in which the tests create ``.venv``.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
PRINTS_ARGUMENTS = """#!/bin/sh
for argument; do printf '<%s>' "$argument"; done
"""
STANDS_IN_FOR_PYTHON = """#!/bin/sh
case "$*" in
*tools.install*) shift 3; echo "Installing $2" >&2; mkdir -p .venv/bin; cp "$0" .venv/bin/python; touch "$1" ;;
*local*) printf '{}' ;;
*) echo "$0" ;;
esac
"""


class Make:
    """Runs `make` on a copy of the Makefile, with a shell script in place of Python."""

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

    def arguments(self, *arguments: str, **environment: str) -> str:
        """Return the arguments that the Python of an installed .venv is called with, each in <>."""
        result = self.run("-o", ".venv/function", *arguments, **environment)
        assert (result.returncode, result.stderr) == (0, ""), result
        return result.stdout


@pytest.fixture
def make(tmp_path: Path) -> Make:
    make = Make(tmp_path)
    make.script(".venv/bin/python", PRINTS_ARGUMENTS)
    make.script(".venv/function", "")
    return make


class TestOptions:
    def test_the_url_of_a_deployment_is_read_only_from_the_command_line(self, make: Make) -> None:
        url = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod/"
        make.script(".venv/dev", "")
        assert make.arguments("-o", ".venv/dev", "smoke", f"URL={url}") == f"<-m><tools.smoke><{url}>"
        assert make.arguments("-o", ".venv/dev", "smoke", URL="https://example.com/") == "<-m><tools.smoke><>"

    @pytest.mark.parametrize("target", ["bootstrap", "diff", "deploy", "destroy"])
    def test_nothing_is_synthesized_without_valid_credentials(self, make: Make, target: str) -> None:
        make.script(".venv/bin/python", '#!/bin/sh\necho "$@" >&2; exit 1\n')
        result = make.run("-o", ".venv/dev", "-o", "node_modules/.installed", target, "STAGE=prod")
        assert (result.returncode, result.stdout) == (2, "")
        assert "-m infra.credentials prod" in result.stderr.splitlines()
        assert "Running cdk" not in result.stderr

    def test_a_synthesis_needs_no_credentials(self, make: Make) -> None:
        result = make.run("-o", ".venv/dev", "-o", "node_modules/.installed", "synth")
        assert "infra.credentials" not in result.stdout
        assert "Running cdk synth" in result.stderr

    def test_without_options_the_program_uses_its_defaults(self, make: Make) -> None:
        assert make.arguments("run") == "<-m><local><serve>"
        assert make.arguments("invoke") == '<-m><local><invoke><{"maxItems": 2}>'

    def test_every_option_becomes_an_argument(self, make: Make) -> None:
        options = ("BEDROCK=aws", "MODELS=my models.json", "COUNT=5", "ACCOUNT=1", "INVENTORY=all of it", "DENY=1,2/a")
        arguments = (
            "<--bedrock=aws><--models=my models.json><--count=5><--account=1><--inventory=all of it><--deny=1,2/a>"
        )
        assert make.arguments("run", "PORT=9000", *options) == f"<-m><local><serve><--port=9000>{arguments}"
        assert make.arguments("invoke", "EVENT={}", *options) == f"<-m><local><invoke>{arguments}<{{}}>"

    def test_a_value_is_passed_on_as_it_was_typed(self, make: Make) -> None:
        text = """it's "a" b, $HOME $(shell id) $$, `id`; id\na\\b é #1"""
        arguments = make.arguments("invoke", f"EVENT={text}", f"MODELS={text}", f"INVENTORY={text}")
        assert arguments == f"<-m><local><invoke><--models={text}><--inventory={text}><{text}>"

    def test_an_empty_value_is_passed_on(self, make: Make) -> None:
        assert make.arguments("run", "MODELS=", "PORT=") == "<-m><local><serve><--port=><--models=>"

    @pytest.mark.parametrize("target", ["run", "invoke"])
    def test_environment_variables_of_the_same_names_change_nothing(self, make: Make, target: str) -> None:
        environment = dict.fromkeys(
            ("PORT", "BEDROCK", "MODELS", "COUNT", "ACCOUNT", "INVENTORY", "DENY", "EVENT"), "9"
        )
        assert make.arguments(target, **environment) == make.arguments(target)

    def test_other_variables_reach_the_program_as_environment_variables(self, make: Make) -> None:
        make.script(".venv/bin/python", '#!/bin/sh\nprintf "$AWS_PROFILE"\n')
        assert make.arguments("run", "BEDROCK=aws", "AWS_PROFILE=me") == "me"


class TestDeploy:
    @pytest.fixture
    def installed(self, make: Make) -> tuple[str, ...]:
        """A Node.js that prints its arguments and the AWS profile, and the options that skip the installation."""
        make.script(".venv/bin/python", "#!/bin/sh\necho .\n")
        make.script("bin/node", PRINTS_ARGUMENTS + 'printf "$AWS_PROFILE"\n')
        return ("-o", ".venv/dev", "-o", "node_modules/.installed")

    @pytest.mark.parametrize("command", ["bootstrap", "synth", "diff", "deploy", "destroy"])
    def test_the_stage_is_passed_on(self, make: Make, installed: tuple[str, ...], command: str) -> None:
        result = make.run(*installed, command, "STAGE=prod", "AWS_PROFILE=me")
        assert result.stdout.endswith(f"<--app><.venv/bin/python app.py><{command}><-c><stage=prod>me")
        assert result.stderr.startswith(f"Running cdk {command} for stage prod;")

    def test_arguments_of_the_cdk_are_passed_on(self, make: Make, installed: tuple[str, ...]) -> None:
        result = make.run(*installed, "bootstrap", "ARGS=--custom-permissions-boundary 'my policy'")
        assert result.stdout.endswith("<-c><stage=dev><--custom-permissions-boundary><my policy>")

    @pytest.mark.parametrize("mistyped", ["STAG=prod", "stage=prod", "Stage=prod", "inventory=x", "PROFILE=me"])
    def test_a_mistyped_option_is_an_error(self, make: Make, installed: tuple[str, ...], mistyped: str) -> None:
        result = make.run(*installed, "deploy", mistyped)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"*** {mistyped.partition('=')[0]} is not an option; `make help` lists them." in result.stderr

    def test_the_stage_counts_only_on_the_command_line(self, make: Make, installed: tuple[str, ...]) -> None:
        assert make.run(*installed, "deploy", STAGE="prod").stdout.endswith("<deploy><-c><stage=dev>")


class TestHelp:
    def test_it_has_every_target(self, make: Make) -> None:
        result = make.run("help")
        assert (result.returncode, result.stderr) == (0, "")
        assert make.run().stdout == result.stdout
        targets = set(re.findall(r"^  make ([a-z|-]+?)  ", result.stdout, re.MULTILINE))
        (phony,) = re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)
        assert {target for line in targets for target in line.split("|")} == set(phony.split())

    def test_it_has_every_option_below_its_target(self, make: Make) -> None:
        sections = re.split(r"^  make ", make.run("help").stdout, flags=re.MULTILINE)[1:]
        options = {
            "run": {"PORT", "BEDROCK", "MODELS", "INVENTORY", "DENY", "COUNT", "ACCOUNT"},
            "invoke": {"EVENT", "PORT"},
            "bench": {"ARGS"},
            "synth|diff|deploy|destroy": {"STAGE", "AWS_PROFILE", "ARGS"},
            "member-role": {"STAGE"},
            "smoke": {"AWS_PROFILE"},
        }
        found = {section.split("  ")[0]: set(re.findall(r"\b[A-Z_]{4,}\b", section)) for section in sections}
        assert {target: names for target, names in found.items() if names} == options

    def test_its_columns_are_aligned(self, make: Make) -> None:
        lines = [line for line in make.run("help").stdout.splitlines() if line.startswith("  ")]
        assert max(map(len, lines)) < 120
        assert all(line[33] == " " != line[34] for line in lines), lines


class TestStandardOutput:
    def test_it_has_only_the_output_of_the_function(self, make: Make, tmp_path: Path) -> None:
        make.script(".venv/bin/python", f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
        result = make.run("-o", ".venv/function", "invoke", """EVENT={"it's": 1}""")
        assert json.loads(result.stdout)["errorMessage"].startswith("it's is not a parameter")
        assert result.returncode == 2
        # `make invoke | jq .` works the first time too, when everything has to be installed.
        shutil.rmtree(tmp_path / ".venv")
        make.script("python", STANDS_IN_FOR_PYTHON)
        for name in ("requirements/installer.txt", "lambda_src/requirements.txt"):
            make.script(name, "")
        first = make.run("PYTHON=./python", "invoke")
        assert (first.returncode, first.stdout) == (0, "{}")
        assert first.stderr.splitlines() == [
            "Installing requirements/installer.txt",
            "Installing lambda_src/requirements.txt",
        ]
        # The virtual environment is checked each time. What depends on it is installed again only if it changed.
        make.script("python", '#!/bin/sh\necho "Checking $5" >&2\n')
        again = make.run("PYTHON=./python", "invoke")
        assert (again.stdout, again.stderr) == ("{}", "Checking requirements/installer.txt\n")

    def test_from_another_folder_too(self, make: Make, tmp_path: Path) -> None:
        make.script(".venv/bin/python", "#!/bin/sh\nprintf '{}'\n")
        (tmp_path / "elsewhere").mkdir()
        options = ("-o", ".venv/function")
        assert make.run("-C", "elsewhere/..", "-s", *options, "invoke").stdout == "{}"
        version = tuple(map(int, re.findall(r"GNU Make ([\d.]+)", make.run("--version").stdout)[0].split(".")))
        if version >= (4, 4, 1):
            assert make.run("-C", "elsewhere/..", *options, "invoke").stdout == "{}"


class TestPython:
    """The interpreter that the Makefile selects, in a folder with nothing installed."""

    FAILS = "#!/bin/sh\necho 'pyenv: version 3.99 is not installed' >&2; exit 127\n"

    @pytest.fixture
    def machine(self, make: Make, tmp_path: Path) -> dict[str, str]:
        """An environment in which each command of pyenv fails, as for a version that is not installed."""
        shutil.rmtree(tmp_path / ".venv")
        for name in ("python", "python3", *(f"python3.{minor}" for minor in range(9, 15))):
            make.script(f"shims/{name}", self.FAILS)
        return {"PATH": f"{tmp_path / 'shims'}{os.pathsep}{os.environ['PATH']}", "PYENV_ROOT": str(tmp_path / "it's")}

    def selected(self, make: Make, machine: dict[str, str]) -> str:
        done = make.run('--eval=selected: ; @echo "$(PYTHON)"', "selected", **machine)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.strip()

    def test_a_command_that_fails_is_not_selected(self, make: Make, machine: dict[str, str]) -> None:
        make.script("shims/python3.12", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        assert self.selected(make, machine) == "python3.12"

    def test_a_version_of_pyenv_is_found_that_is_not_selected(self, make: Make, machine: dict[str, str]) -> None:
        make.script("it's/versions/3.13.0/bin/python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        expected = f"{machine['PYENV_ROOT']}/versions/3.13.0/bin/python3"
        assert self.selected(make, machine) == expected

    def test_variables_of_python_do_not_change_the_selection(self, make: Make, machine: dict[str, str]) -> None:
        make.script("shims/python3.12", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        assert self.selected(make, {**machine, "PYTHONHOME": "/nonexistent"}) == "python3.12"
