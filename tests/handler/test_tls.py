"""Calls of Bedrock over TLS, as on AWS."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emulators.bedrock import Emulator
from emulators.faults import Parameters
from emulators.server import Response, serve
from tests.api import Api


def self_signed(path: Path) -> Path:
    """Write a new key and its certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(pem, private, serialization.NoEncryption()) + certificate.public_bytes(pem),
    )
    return path


def close_connection(correct: Response, _: Parameters) -> Response:
    return replace(correct, headers={**correct.headers, "Connection": "close"})


@pytest.fixture
def server(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The TLS context of an emulator that closes each connection after a response, and that the function trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = self_signed(tmp_path / "trusted.pem")
    context.load_cert_chain(certificate)
    emulator.misbehave(always=close_connection)
    with serve(emulator.respond, tls=context) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        yield context


def test_the_root_certificates_are_loaded_once(
    server: ssl.SSLContext, emulator: Emulator, new_api: Callable[[], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[tuple[object, ...]] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(*given: object) -> None:
        loads.append(given)
        load(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    api = new_api()
    assert [api.get({"maxItems": 1}).status for _ in range(3)] == [200] * 3
    assert len(set(emulator.connections)) == 3
    assert len(loads) == 1


def test_every_connection_is_verified(
    server: ssl.SSLContext, emulator: Emulator, new_api: Callable[[], Api], tmp_path: Path
) -> None:
    api = new_api()
    assert api.get({"maxItems": 1}).status == 200
    server.load_cert_chain(self_signed(tmp_path / "untrusted.pem"))
    assert api.get({"maxItems": 1}).kind == "upstream-unavailable"
    assert len(emulator.calls) == 1


def test_missing_root_certificates_are_a_failed_connection(
    server: ssl.SSLContext, emulator: Emulator, new_api: Callable[[], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/roots.pem")
    assert new_api().get().kind == "upstream-unavailable"
    assert emulator.calls == []
