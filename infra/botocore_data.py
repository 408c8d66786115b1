"""Reduces botocore's data files to the three operations that the function calls.

botocore parses whole JSON files when a client is created, even if only one operation is used. Other
services, other operations and documentation are removed; everything else stays exactly as AWS wrote it.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

OPERATIONS = {"bedrock": "ListCustomModels", "secretsmanager": "GetSecretValue", "sts": "AssumeRole"}
"""The operation that the function calls, by service."""

AMAZON_ROOTS = (
    *(f"Amazon Root CA {number}" for number in range(1, 5)),
    "Starfield Services Root Certificate Authority - G2",
)
"""The root certificates of AWS's endpoints: https://www.amazontrust.com/repository/"""


def amazon_roots(bundle: str) -> str:
    """Return AWS's root certificates (PEM).

    Args:
        bundle: botocore's certificate bundle (PEM with a label in front of each certificate).

    Raises:
        ValueError: a root certificate is missing in the bundle.
    """
    labelled = re.findall(
        r'# Label: "([^"]+)".*?(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n)', bundle, re.DOTALL
    )
    certificates = dict(labelled)
    missing = [name for name in AMAZON_ROOTS if name not in certificates]
    if missing:
        raise ValueError(f"botocore's certificates do not include {', '.join(missing)}")
    return "".join(certificates[name] for name in AMAZON_ROOTS)


def trim(data: Path) -> None:
    """Reduce botocore's ``data`` directory, which has only these services, in place."""
    _write(data / "endpoints.json", _endpoints(_read(data / "endpoints.json")))
    for service, operation in OPERATIONS.items():
        for version in (data / service).iterdir():
            _trim_service(version, operation)


def _trim_service(version: Path, operation: str) -> None:
    for path in sorted(version.iterdir()):
        content = _read(path)
        path.unlink()
        match path.name.partition(".")[0]:
            case "service-2" if "sdk-extras" not in path.name:
                content = _service(content, operation)
            case "paginators-1":
                content = {"pagination": {name: it for name, it in content["pagination"].items() if name == operation}}
            case "examples-1":
                continue
        # Uncompressed, because decompression costs time at each cold start, and the package is a zip file anyway.
        _write(path.with_name(path.name.removesuffix(".gz")), content)


def _service(model: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """Return a service model with only one operation and the shapes that it refers to."""
    shapes: dict[str, Any] = {}
    pending = [*_references(model["operations"][operation])]
    while pending:
        name = pending.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            pending += _references(shapes[name])
    kept = {"operations": {operation: model["operations"][operation]}, "shapes": dict(sorted(shapes.items()))}
    return {name: _without_documentation(part) for name, part in {**model, **kept}.items() if name != "documentation"}


def _references(part: object) -> Iterator[str]:
    """Yield the names of the shapes that a part of a model refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("shape"), str):
            yield part["shape"]
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from _references(item)


def _without_documentation(part: Any) -> Any:
    if isinstance(part, dict):
        # A field of a shape may also be named documentation; then its value is an object.
        return {
            name: _without_documentation(item)
            for name, item in part.items()
            if name != "documentation" or not isinstance(item, str)
        }
    return [_without_documentation(item) for item in part] if isinstance(part, list) else part


def _endpoints(endpoints: Mapping[str, Any]) -> dict[str, Any]:
    def partition(it: Mapping[str, Any]) -> dict[str, Any]:
        return {**it, "services": {name: it["services"][name] for name in OPERATIONS if name in it["services"]}}

    return {**endpoints, "partitions": [partition(it) for it in endpoints["partitions"]]}


def _read(path: Path) -> Any:
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
