"""The bundle: its contents, and that the same sources produce the same bytes."""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.compat
import botocore.loaders
import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, Shape, StructureShape
from botocore.parsers import ResponseParserError
from botocore.regions import EndpointResolver

from emulators.models import ACCOUNT
from infra import bundling
from infra.bundling import BundlingError, bundle, find_interpreter
from tests.api import KEY

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MAGIC = (3571).to_bytes(2, "little") + b"\r\n"
"""The first bytes of every bytecode file of Python 3.13."""

needs_interpreter = pytest.mark.skipif(
    find_interpreter() is None, reason=f"there is no Python {bundling.RUNTIME} on this machine"
)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, built with PYTHONDONTWRITEBYTECODE set, as it is in many containers."""
    target = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        assert bundle(target) == (find_interpreter() is not None)
    return target


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources, from which bundles are built."""
    copy = tmp_path / "lambda_src"
    shutil.copytree(bundling.SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(bundling, "SOURCE", copy)
    return copy


def files(folder: Path) -> dict[str, Path]:
    """Return every file in a folder by its relative path."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {name: (path.stat().st_mode, path.read_bytes()) for name, path in files(folder).items()}


def loader(folder: Path) -> Loader:
    """Return a botocore loader for the data in a bundle."""
    return Loader([str(folder / "botocore" / "data")], include_default_search_paths=False)


def trusted(bundle: Path) -> list[dict[str, Any]]:
    return ssl.create_default_context(cafile=str(bundle)).get_ca_certs()


def subject(certificate: dict[str, Any]) -> str:
    names = {name: value for ((name, value),) in certificate["subject"]}
    return str(names["commonName"])


def without_documentation(model: object) -> Any:
    def keep(name: str, value: object) -> bool:
        return name != "documentation" or not isinstance(value, str)

    return json.loads(json.dumps(model), object_hook=lambda it: {k: v for k, v in it.items() if keep(k, v)})


def is_complete(shape: Shape) -> bool:
    """Visit a shape and all shapes in it (the models have no cycles). botocore raises if one is missing."""
    inside = [*shape.members.values()] if isinstance(shape, StructureShape) else []
    inside += [shape.member] if isinstance(shape, ListShape) else []
    return all(map(is_complete, inside))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def pinned() -> set[str]:
    """Return NAME-VERSION of every package in requirements.txt, as the name of its wheel has it."""
    text = (bundling.SOURCE / "requirements.txt").read_text()
    return {
        f"{name.replace('-', '_')}-{version}"
        for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)
    }


def import_handler(folder: Path, *wrapper: str) -> None:
    """Import the handler with only the bundle on the path. ``wrapper`` is a command that starts the process."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); import gc, handler; handler.handler; "
        "assert gc.isenabled() and gc.get_freeze_count()"
    )
    subprocess.run(
        [*wrapper, sys.executable, "-I", "-S", "-B", "-c", code],
        env={**environment, "CURSOR_KEY": KEY, "OWN_ACCOUNT_ID": ACCOUNT},
        check=True,
        timeout=60,
    )


class TestContents:
    def test_it_contains_the_functions_code(self, bundled: Path) -> None:
        for name, path in files(bundling.SOURCE).items():
            if path.suffix == ".py":
                assert (bundled / name).read_bytes() == path.read_bytes()

    def test_it_contains_the_pinned_packages(self, bundled: Path) -> None:
        assert {path.stem for path in bundled.glob("*.dist-info")} == pinned()
        assert {"aws_lambda_powertools", "boto3", "botocore", "itsdangerous", "urllib3", "six.py"} <= names(bundled)

    def test_it_contains_nothing_else(self, bundled: Path) -> None:
        assert names(bundled) - {path.name for path in bundled.glob("*.dist-info")} - {"__pycache__"} == {
            *("handler.py", "custom_models"),
            *("aws_lambda_powertools", "boto3", "botocore", "dateutil", "itsdangerous", "jmespath", "s3transfer"),
            *("six.py", "typing_extensions.py", "urllib3"),
            "amazon-roots.pem",
        }

    def test_each_package_has_its_license_and_no_installation_records(self, bundled: Path) -> None:
        for folder in bundled.glob("*.dist-info"):
            found = [path.name.lower() for path in folder.rglob("*") if path.is_file()]
            assert any(name.startswith("licen") for name in found), folder.name
            assert not {"record", "installer", "requested", "direct_url.json"} & set(found)

    def test_it_has_no_compiled_or_unused_files(self, bundled: Path) -> None:
        found = files(bundled)
        assert not [name for name in found if Path(name).suffix in (".so", ".pyd", ".dylib", ".dll", ".pyi", ".exe")]
        assert not [
            name for name in found if {"tests", "bin", "event_handler", "examples"} & set(Path(name).parts[:-1])
        ]
        assert not [name for name in found if name.startswith(".") or name.endswith(("py.typed", "requirements.txt"))]

    def test_botocore_has_the_data_of_three_services(self, bundled: Path) -> None:
        data = bundled / "botocore" / "data"
        assert {path.name for path in data.iterdir() if path.is_dir()} == {"bedrock", "secretsmanager", "sts"}
        assert {path.name for path in data.iterdir() if path.is_file()} == {
            *("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"),
        }
        assert (bundled / "botocore" / "cacert.pem").is_file()

    @pytest.mark.parametrize(
        ("service", "operation"),
        [("bedrock", "ListCustomModels"), ("secretsmanager", "GetSecretValue"), ("sts", "AssumeRole")],
    )
    def test_service_models_are_botocores(self, bundled: Path, service: str, operation: str) -> None:
        ours, theirs = loader(bundled), botocore.loaders.create_loader()
        model, stock = (without_documentation(it.load_service_model(service, "service-2")) for it in (ours, theirs))
        assert model["operations"] == {operation: stock["operations"][operation]}
        assert model["shapes"].items() <= stock["shapes"].items()
        assert {**stock, "operations": model["operations"], "shapes": model["shapes"]} == model
        called = ServiceModel(model).operation_model(operation)
        assert all(map(is_complete, filter(None, [called.input_shape, called.output_shape, *called.error_shapes])))
        rules = "endpoint-rule-set-1"
        assert ours.load_service_model(service, rules) == theirs.load_service_model(service, rules)

    def test_the_paginator_model_is_botocores(self, bundled: Path) -> None:
        ours, theirs = (
            it.load_service_model("bedrock", "paginators-1")["pagination"]
            for it in (loader(bundled), botocore.loaders.create_loader())
        )
        assert ours == {"ListCustomModels": theirs["ListCustomModels"]}

    @pytest.mark.parametrize("service", ["bedrock", "secretsmanager", "sts"])
    def test_every_region_has_the_same_endpoint_as_in_botocore(self, bundled: Path, service: str) -> None:
        ours, theirs = (
            EndpointResolver(it.load_data("endpoints")) for it in (loader(bundled), botocore.loaders.create_loader())
        )
        regions = {"eu-north-7", "nowhere"}
        for partition in theirs.get_available_partitions():
            listed = theirs.get_available_endpoints(service, partition, allow_non_regional=True)
            assert ours.get_available_endpoints(service, partition, allow_non_regional=True) == listed
            regions |= set(listed)
        assert len(regions) > 20
        for region in regions:
            assert ours.construct_endpoint(service, region) == theirs.construct_endpoint(service, region)

    def test_amazon_roots_are_five_of_botocores_roots(self, bundled: Path) -> None:
        roots, usual = (trusted(bundled / name) for name in ("amazon-roots.pem", "botocore/cacert.pem"))
        assert sorted(subject(root) for root in roots) == [
            *(f"Amazon Root CA {number}" for number in range(1, 5)),
            "Starfield Services Root Certificate Authority - G2",
        ]
        assert all(root in usual for root in roots)
        assert len(usual) > 100

    def test_its_size(self, bundled: Path) -> None:
        assert sum(path.stat().st_size for path in files(bundled).values()) < 10_000_000
        assert sum(path.stat().st_size for path in files(bundled / "botocore" / "data").values()) < 100_000

    def test_the_handler_needs_no_other_packages(self, bundled: Path) -> None:
        import_handler(bundled)

    def test_no_file_has_a_path_of_this_machine(self, bundled: Path) -> None:
        paths = [f"{path}{os.sep}".encode() for path in (ROOT, Path.home(), sys.prefix, bundled)]
        for name, file in files(bundled).items():
            content = file.read_bytes()
            assert not [path for path in paths if path in content], name


ASSUMED_ROLE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <AssumedRoleId>AROA123456789012EXAMPLE:custom-models-dev</AssumedRoleId>
      <Arn>arn:aws:sts::111122223333:assumed-role/custom-models-reader/custom-models-dev</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAEXAMPLE</AccessKeyId>
      <SecretAccessKey>se/cr+et&amp;</SecretAccessKey>
      <SessionToken>to/ken==</SessionToken>
      <Expiration>2026-11-23T20:21:00Z</Expiration>
    </Credentials>
    <PackedPolicySize>6</PackedPolicySize>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>
</AssumeRoleResponse>"""


class RawBody:
    """The body of a response, as botocore reads it."""

    def __init__(self, content: str) -> None:
        self._content = content.encode()

    def stream(self, **_: object) -> list[bytes]:
        return [self._content]


class TestSts:
    """AssumeRole with the bundle's data, compared with botocore's."""

    @pytest.fixture(autouse=True)
    def _no_endpoint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL")

    @pytest.fixture
    def clients(self, bundled: Path) -> Callable[[str], list[Any]]:
        """Return two clients for a region: one with the bundle's data and one with botocore's."""
        loaders = loader(bundled), botocore.loaders.create_loader()
        config = ClientConfig(retries={"mode": "standard", "total_max_attempts": 1})

        def create(region: str) -> list[Any]:
            sessions = [botocore.session.Session() for _ in loaders]
            for session, data in zip(sessions, loaders, strict=True):
                session.register_component("data_loader", data)
            return [session.create_client("sts", region, config=config) for session in sessions]

        return create

    def test_each_region_gets_the_same_request_at_its_own_endpoint(self, clients: Callable[[str], list[Any]]) -> None:
        resolver = EndpointResolver(botocore.loaders.create_loader().load_data("endpoints"))
        parameters: list[dict[str, str]] = [{}, {"ExternalId": "a+b/c=@d"}]
        for partition in resolver.get_available_partitions():
            for region in resolver.get_available_endpoints("sts", partition):
                pair = clients(region)
                for external_id in parameters:
                    ours, theirs = (assume_role(client, ASSUMED_ROLE, 200, **external_id)[0] for client in pair)
                    assert ours == theirs
                    suffix = resolver.get_partition_dns_suffix(partition)
                    assert ours["url"] == f"https://sts.{region}.{suffix}/"
                    assert f"/{region}/sts/aws4_request" in ours["credential"]
                    assert ("ExternalId=" in ours["body"]) == bool(external_id)

    def test_the_credentials_are_the_same(self, clients: Callable[[str], list[Any]]) -> None:
        ours, theirs = (assume_role(client, ASSUMED_ROLE)[1] for client in clients("eu-west-1"))
        assert ours == theirs
        assert ours["Credentials"] == {
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "se/cr+et&",
            "SessionToken": "to/ken==",
            "Expiration": datetime(2026, 11, 23, 20, 21, tzinfo=ours["Credentials"]["Expiration"].tzinfo),
        }
        assert ours["Credentials"]["Expiration"].utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (403, "AccessDenied"),
            (403, "ExpiredTokenException"),
            (403, "RegionDisabledException"),
            (403, "InvalidClientTokenId"),
            (403, "SignatureDoesNotMatch"),
            (400, "MalformedPolicyDocument"),
            (400, "PackedPolicyTooLarge"),
            (400, "ValidationError"),
            (400, "Throttling"),
            (500, "InternalFailure"),
            (503, "ServiceUnavailable"),
        ],
    )
    def test_the_errors_are_the_same(self, clients: Callable[[str], list[Any]], status: int, code: str) -> None:
        body = (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<Error><Type>Sender</Type><Code>{code}</Code><Message>Not &lt;this&gt; time</Message></Error>"
            "<RequestId>c6104cbe</RequestId></ErrorResponse>"
        )
        ours, theirs = (assume_role(client, body, status)[1] for client in clients("eu-west-1"))
        assert ours == theirs
        assert ours["Error"] == {"Type": "Sender", "Code": code, "Message": "Not <this> time"}

    @pytest.mark.parametrize("body", ["", "<html>Bad gateway</html>", "<html", "{}"])
    def test_a_response_of_another_form_has_the_same_result(
        self, clients: Callable[[str], list[Any]], body: str
    ) -> None:
        for status in (200, 400, 502):
            ours, theirs = (assume_role(client, body, status)[1] for client in clients("eu-west-1"))
            assert ours == theirs


def assume_role(client: Any, body: str, status: int = 200, **parameters: Any) -> tuple[dict[str, Any], Any]:
    """Call AssumeRole; return what was sent, and what the client makes of the response."""
    sent: dict[str, Any] = {}

    def send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.update(method=request.method, url=request.url, body=request.body, headers=dict(request.headers.items()))
        return AWSResponse(request.url, status, botocore.compat.HTTPHeaders(), RawBody(body))

    client.meta.events.register("before-send.sts.AssumeRole", send)
    role = "arn:aws:iam::111122223333:role/custom-models-reader"
    result: Any
    try:
        result = client.assume_role(RoleArn=role, RoleSessionName="custom-models-dev", **parameters)
    except ClientError as error:
        result = {"class": type(error).__qualname__, "text": str(error), **error.response}
    except (ResponseParserError, KeyError) as error:  # botocore does not expect XML of another form in a success
        result = repr(error)
    finally:
        client.meta.events.unregister("before-send.sts.AssumeRole", send)
    # These differ from request to request. The credential has the region and the service that the signature is for.
    sent["credential"] = sent["headers"].pop("Authorization").decode().partition(", ")[0]
    del sent["headers"]["X-Amz-Date"], sent["headers"]["amz-sdk-invocation-id"]
    return sent, result


@needs_interpreter
class TestBytecode:
    def test_every_module_has_bytecode(self, bundled: Path) -> None:
        found = files(bundled)
        modules = {name for name in found if name.endswith(".py")}
        compiled = {name for name in found if name.endswith(".pyc")}
        assert "custom_models/core/__pycache__/listing.cpython-313.pyc" in compiled
        assert {cached(name) for name in modules} == compiled

    def test_python_does_not_check_it_against_the_source(self, bundled: Path) -> None:
        for name, path in files(bundled).items():
            if name.endswith(".pyc"):
                content = path.read_bytes()
                assert content[:4] == MAGIC, name
                assert int.from_bytes(content[4:8], "little") == 0b01, name

    def test_it_has_the_paths_of_the_modules_on_lambda(self, bundled: Path) -> None:
        for name in files(bundled):
            if name.endswith(".py"):
                assert f"/var/task/{name}".encode() in (bundled / cached(name)).read_bytes(), name

    def test_another_python_version_finds_the_functions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundling, "sys", SimpleNamespace(version_info=(3, 99), executable=sys.executable))
        found = find_interpreter()
        assert found is not None
        version = subprocess.run([found, "-I", "--version"], check=True, capture_output=True, text=True, timeout=60)
        assert version.stdout.startswith(f"Python {bundling.RUNTIME}.")


def cached(name: str) -> str:
    path = Path(name)
    return (path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").as_posix()


OPINIONS = {
    "UV_COMPILE_BYTECODE": "1",
    "UV_PYTHON": "3.12",
    "UV_PYTHON_PREFERENCE": "only-managed",
    "UV_TARGET": "/nonexistent",
    "UV_PREFIX": "/nonexistent",
    "UV_SYSTEM_PYTHON": "1",
    "UV_LINK_MODE": "symlink",
    "UV_NO_BINARY": "1",
    "UV_NO_DEPS": "1",
    "UV_RESOLUTION": "lowest",
    "UV_PRERELEASE": "allow",
    "UV_EXCLUDE_NEWER": "2020-01-01",
    "UV_CONSTRAINT": "/nonexistent/constraints.txt",
    "UV_OVERRIDE": "/nonexistent/overrides.txt",
    "UV_REQUIRE_HASHES": "0",
    "UV_VERIFY_HASHES": "0",
    "UV_PROJECT_ENVIRONMENT": "/nonexistent",
    "UV_WORKING_DIRECTORY": "/nonexistent",
    "PIP_TARGET": "/nonexistent",
    "PIP_USER": "1",
    "VIRTUAL_ENV": "/nonexistent",
    "CONDA_PREFIX": "/nonexistent",
    "PYTHONPATH": "/nonexistent",
    "PYTHONHOME": "",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPYCACHEPREFIX": "/nonexistent",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""Variables that decide where, how and for which Python packages are installed or compiled."""


class TestReproducibility:
    def test_a_changed_module_changes_only_its_own_files(self, bundled: Path, source: Path, tmp_path: Path) -> None:
        with (source / "handler.py").open("a") as file:
            file.write("\nadded = True\n")
        bundle(tmp_path / "changed")
        before, after = contents(bundled), contents(tmp_path / "changed")
        assert before.keys() == after.keys()
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"handler.py", *({cached("handler.py")} & before.keys())}

    def test_neither_the_folder_nor_variables_that_decide_how_to_install_change_the_bundle(
        self, bundled: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in OPINIONS.items():
            monkeypatch.setenv(name, value)
        # Running the tests leaves bytecode of this Python in the sources.
        (source / "__pycache__").mkdir()
        (source / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"stale")
        bundle(tmp_path / "again")
        assert contents(tmp_path / "again") == contents(bundled)


def test_variables_that_decide_where_packages_come_from_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(BundlingError, match=r"127\.0\.0\.1:9"):
        bundle(tmp_path / "bundle")


class TestModes:
    """Lambda does not run as the user who builds the bundle, and its zip file keeps the modes."""

    @pytest.fixture(scope="class", params=[0o077, 0o027], ids=["umask-077", "umask-027"])
    @classmethod
    def built(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A bundle that was built with a strict umask, from sources that were checked out with it."""
        folder = tmp_path_factory.mktemp("umask")
        before = os.umask(request.param)
        try:
            with pytest.MonkeyPatch.context() as monkeypatch:
                shutil.copytree(
                    bundling.SOURCE,
                    folder / "lambda_src",
                    ignore=shutil.ignore_patterns("__pycache__"),
                    copy_function=shutil.copyfile,
                )
                monkeypatch.setattr(bundling, "SOURCE", folder / "lambda_src")
                bundle(folder / "bundle")
        finally:
            os.umask(before)
        return folder / "bundle"

    def test_the_zip_file_is_readable_for_every_user(self, built: Path, bundled: Path, tmp_path: Path) -> None:
        assert contents(built) == contents(bundled)
        with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as packed:
            for path in (built, *built.rglob("*")):
                packed.write(path, path.relative_to(built.parent))
            for entry in packed.infolist():
                assert (entry.external_attr >> 16) & 0o777 == (0o755 if entry.is_dir() else 0o644), entry.filename

    @pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root with setpriv can give up its privileges"
    )
    def test_another_user_can_import_the_handler(self, built: Path, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        theirs = shutil.copytree(built, tmp_path / "bundle")
        for path in (theirs, *theirs.rglob("*")):
            os.chown(path, 65534, 65534)
        # Root without these capabilities has no more access to the files of another user than anybody else. It keeps
        # access to Python's own library, which other users may not have.
        import_handler(theirs, "setpriv", "--bounding-set=-dac_override,-dac_read_search")
        for path in theirs.rglob("handler*"):
            path.chmod(0o600)
        with pytest.raises(subprocess.CalledProcessError):
            import_handler(theirs, "setpriv", "--bounding-set=-dac_override,-dac_read_search")


def test_without_the_python_version_the_bundle_works_and_has_no_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundling, "find_interpreter", lambda: None)
    assert bundle(tmp_path) is False
    assert not list(tmp_path.rglob("*.pyc"))
    import_handler(tmp_path)


class TestErrors:
    def test_a_package_with_another_hash(self, source: Path, tmp_path: Path) -> None:
        requirements = source / "requirements.txt"
        text, six = (
            requirements.read_text(),
            re.compile(r"(?<=^six==1\.17\.0)( \\\n +--hash=sha256:\w+)+", re.MULTILINE),
        )
        requirements.write_text(six.sub(f" \\\\\n    --hash=sha256:{'0' * 64}", text))
        with pytest.raises(BundlingError) as caught:
            bundle(tmp_path / "bundle")
        assert str(caught.value).startswith("The function's packages could not be installed:\n")
        assert "six" in str(caught.value)
        assert "ash mismatch" in str(caught.value)

    def test_a_package_without_a_hash(self, source: Path, tmp_path: Path) -> None:
        (source / "requirements.txt").write_text("six==1.17.0\n")
        with pytest.raises(BundlingError, match="hash"):
            bundle(tmp_path / "bundle")

    def test_a_missing_amazon_root(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("infra.botocore_data.AMAZON_ROOTS", ("Amazon Root CA 1", "Amazon Root CA 9"))
        with pytest.raises(BundlingError, match="do not include Amazon Root CA 9"):
            bundle(tmp_path / "bundle")

    def test_a_package_with_a_compiled_module(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def install(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            package = Path(command[command.index("--target") + 1]) / "quick"
            package.mkdir()
            (package / "parser.cpython-313-aarch64-linux-gnu.so").touch()
            return subprocess.CompletedProcess([], 0)

        monkeypatch.setattr("infra.bundling.find_interpreter", lambda: sys.executable)
        monkeypatch.setattr("infra.bundling.subprocess.run", install)
        with pytest.raises(BundlingError, match=r"pure Python.*parser\.cpython-313"):
            bundle(tmp_path / "bundle")
