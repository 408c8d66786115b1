"""The credentials of each account: the function's own, or those of the member role, from STS.

One client serves all accounts of a region. The credentials that sign a request are those of the exchange in
progress, so a request outside an exchange fails: it never falls back to the function's own role.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from custom_models.adapters.bedrock import connections, deadline, events
from custom_models.adapters.bedrock.errors import loggable_code, translate_credentials, translate_role
from custom_models.adapters.bedrock.events import Exchange
from custom_models.core.errors import UpstreamError, UpstreamInvalid, UpstreamUnavailable

RENEW_BEFORE_SECONDS = 300
"""Credentials are renewed this long before they expire: much longer than a request lasts."""

_CONFIG = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": deadline.MAX_ATTEMPTS}
)

FORGET_AFTER_SECONDS = 60
"""Seconds that credentials are kept even if Bedrock rejects them, so that STS is not called at every request."""


class _OfExchange(Credentials):
    """Credentials whose values are those of the exchange in progress."""

    def __init__(self) -> None:
        super().__init__("exchange", "exchange", method="exchange")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        credentials = events.current().credentials
        if credentials is None:
            raise LookupError("the exchange has no credentials")
        return credentials


class _Provider:
    """A credential provider of botocore that always returns the same object."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Credentials | None:
        return self._credentials


def sign_per_exchange(session: botocore.session.Session) -> None:
    """Make the clients of a session sign each request with the credentials of the exchange in progress."""
    session.register_component("credential_provider", _Provider(_OfExchange()))


class MemberRole(NamedTuple):
    """The role that the function assumes in other accounts; ``name`` is None if there are no other accounts."""

    name: str | None
    external_id: str | None
    session_name: str
    """The name in the members' CloudTrail."""

    def arguments(self, account: str, partition: str) -> dict[str, str]:
        """Return the arguments of AssumeRole.

        Raises:
            LookupError: there is no role for other accounts.
        """
        if self.name is None:
            raise LookupError("the inventory has no member role")
        arn = f"arn:{partition}:iam::{account}:role/{self.name}"
        external_id = {} if self.external_id is None else {"ExternalId": self.external_id}
        return {"RoleArn": arn, "RoleSessionName": self.session_name, **external_id}


class _Assumed(NamedTuple):
    """The credentials of a member's role; times are in seconds since the epoch."""

    credentials: ReadOnlyCredentials
    expires: float
    at: float
    """When the role was assumed."""


class AccountCredentials:
    """The credentials of all accounts. Those of members are cached. Safe to share between threads."""

    def __init__(
        self,
        own_account: str,
        own: Credentials | None,
        role: MemberRole,
        new_session: Callable[[], botocore.session.Session],
        now: Callable[[], float] = time.time,
    ) -> None:
        """``own`` are the function's credentials, if it has any; ``new_session`` is called when STS is first needed.

        ``now`` returns the time in seconds since the epoch.
        """
        self._own_account = own_account
        self._own = own
        self._role = role
        self._new_session = new_session
        self._now = now
        self._lock = threading.Lock()
        self._sts: Any = None
        self._assumed: dict[str, _Assumed] = {}

    def known(self, account: str) -> ReadOnlyCredentials | None:
        """Return credentials that need no call; None if a member's role must be assumed."""
        if account == self._own_account:
            return self._load_own()
        assumed = self._assumed.get(account)
        return assumed.credentials if assumed is not None and self._is_valid(assumed) else None

    def is_cached(self, account: str) -> bool:
        """Return whether the credentials of an account need no call of STS. Those of the own account never do."""
        assumed = self._assumed.get(account)
        return account == self._own_account or (assumed is not None and self._is_valid(assumed))

    def assume(self, account: str, exchange: Exchange) -> ReadOnlyCredentials:
        """Assume the role of a member, and return its credentials.

        Raises:
            UpstreamThrottled, UpstreamUnavailable: the same call may succeed later.
            UpstreamDenied: the role cannot be assumed.
            UpstreamInvalid: the response has no credentials.
        """
        client = self._client()
        arguments = self._role.arguments(account, client.meta.partition)
        try:
            response = client.assume_role(**arguments)
        except Exception as error:
            exchange.usage.error = f"sts:{loggable_code(error, exchange.status, None)}"
            raise translate_role(error, exchange.status) from None
        exchange.status = 0  # Bedrock has not responded yet
        assumed = _Assumed(*_parse(response), self._now())
        if exchange.remaining > 0:  # an abandoned call must not change what a later request uses
            self._assumed[account] = assumed
        return assumed.credentials

    def forget(self, account: str) -> None:
        """Drop the credentials of a member, which Bedrock does not accept, unless they are new.

        If new ones are not accepted, the region is not enabled in the account, and other credentials would not help.
        """
        assumed = self._assumed.get(account)
        if assumed is not None and self._now() - assumed.at > FORGET_AFTER_SECONDS:
            self._assumed.pop(account, None)

    def _is_valid(self, assumed: "_Assumed") -> bool:
        return self._now() < assumed.expires - RENEW_BEFORE_SECONDS

    def _load_own(self) -> ReadOnlyCredentials:
        # botocore would renew them while it signs a request. A failure there could not be distinguished from a bug.
        try:
            if self._own is None:
                raise NoCredentialsError
            own: ReadOnlyCredentials = self._own.get_frozen_credentials()
        except Exception as error:
            events.current().usage.error = loggable_code(error, 0, None)
            raise translate_credentials(error) from None
        return own

    def _client(self) -> Any:
        with self._lock:
            if self._sts is None:
                session = self._new_session()
                session.register_component("credential_provider", _Provider(self._own))
                # The credentials of the global endpoint are not valid in regions that are not enabled by default.
                session.set_config_variable("sts_regional_endpoints", "regional")
                client = boto3.Session(botocore_session=session).client("sts", config=_CONFIG)
                events.register_role(client.meta.events)
                connections.record(client)
                self._sts = client
            return self._sts


def _parse(response: Any) -> tuple[ReadOnlyCredentials, float]:
    """Return the credentials in a response of AssumeRole, and when they expire."""
    try:
        given = response["Credentials"]
        values = [given[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
        expires = given["Expiration"].timestamp()
    except (AttributeError, LookupError, TypeError, ValueError):
        values, expires = [], 0.0
    if not values or not all(isinstance(value, str) and value for value in values):
        raise UpstreamInvalid("STS returned a response without credentials.")
    return ReadOnlyCredentials(*values), expires


class RequestCredentials:
    """The credentials of all accounts, for the exchanges of one request.

    A role is assumed by one exchange at a time. If that fails, the failure counts for all sources of the account.
    """

    def __init__(self, accounts: AccountCredentials) -> None:
        """Use these credentials."""
        self._accounts = accounts
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._failures: dict[str, tuple[UpstreamError, str | None]] = {}

    def is_known(self, account: str) -> bool:
        """Return whether the credentials of an account need no call, or could not be loaded in this request."""
        return self._accounts.is_cached(account) or account in self._failures

    def forget(self, account: str) -> None:
        """Drop credentials that Bedrock does not accept; see AccountCredentials."""
        self._accounts.forget(account)

    def get(self, account: str, exchange: Exchange) -> ReadOnlyCredentials:
        """Return the credentials of an account. Raises what ``AccountCredentials.assume`` raises."""
        known = self._accounts.known(account)
        if known is not None:
            return known
        lock = self._locks[account]
        if not lock.acquire(timeout=max(exchange.remaining, 0)):
            exchange.usage.error = TimeoutError.__name__
            raise UpstreamUnavailable
        try:
            return self._accounts.known(account) or self._assume(account, exchange)
        finally:
            lock.release()

    def _assume(self, account: str, exchange: Exchange) -> ReadOnlyCredentials:
        if account in self._failures:
            error, exchange.usage.error = self._failures[account]
            # A copy, because each thread adds its own traceback and source.
            raise type(error)(error.detail)
        try:
            return self._accounts.assume(account, exchange)
        except UpstreamError as error:
            self._failures[account] = error, exchange.usage.error
            raise
