"""The types that openapi-typescript generates. test_generated.py runs the client that uses them."""

import json
from pathlib import Path

import pytest

from tests.installed import NPM_PACKAGES, node

pytestmark = pytest.mark.slow


def test_the_client_compiles_and_wrong_types_do_not(typescript: Path) -> None:
    options = json.loads(NPM_PACKAGES.with_name("tsconfig.json").read_text())["compilerOptions"]
    options["exactOptionalPropertyTypes"] = False  # as in most projects; the client passes undefined
    files = ["list_with_openapi_fetch.ts", "wrong_types.ts"]
    (typescript / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": files}))
    done = node("typescript/bin/tsc", "--project", str(typescript))
    assert (done.returncode, done.stdout) == (0, "")
