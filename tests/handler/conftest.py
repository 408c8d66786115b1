"""The function in front of an organization."""

from collections.abc import Iterator

import pytest

from custom_models.bootstrap import build
from emulators.bedrock import Organization
from emulators.server import serve
from emulators.sts import Sts
from tests.api import KEY, Api
from tests.organization import SOURCES, Deployment, inventory, models_of, trust


@pytest.fixture(scope="session")
def served_organization() -> Iterator[tuple[Organization, str, Sts, str]]:
    """Bedrock and STS of one organization for all tests, and their URLs."""
    organization, sts = Organization({}), Sts({})
    with serve(organization.respond) as bedrock_url, serve(sts.respond) as sts_url:
        yield organization, bedrock_url, sts, sts_url


@pytest.fixture
def deployment(served_organization: tuple[Organization, str, Sts, str], monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """An organization in which every source has four models, and functions that list it."""
    organization, bedrock_url, sts, sts_url = served_organization
    organization.load({source: models_of(source) for source in SOURCES})
    sts.load(trust())
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", bedrock_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
    monkeypatch.setenv("CURSOR_KEY", KEY)
    monkeypatch.setenv("INVENTORY", inventory())
    # botocore waits up to two seconds before a retry; the tests do not have to.
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)

    def start(**settings: str) -> Api:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return Api(build())

    return Deployment(organization, sts, start)
