"""The calls of one request. The current call runs in the calling thread, calls ahead run in daemon threads.

The threads belong to the request, so a call that hangs never takes a thread from a later request.

Each upstream call starts a new ``paginate()`` and reads one page from it. Reading more pages from the
same ``paginate()`` would be wrong: botocore sends the same ``maxResults`` each time and cuts pages to
``MaxItems``, so models are repeated if the page size changes on resume (docs/adr/0003-paging.md).
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from custom_models.adapters.bedrock import connections, deadline, events, response
from custom_models.adapters.bedrock.credentials import RequestCredentials
from custom_models.adapters.bedrock.errors import UNKNOWN_CREDENTIALS, loggable_code, translate
from custom_models.adapters.bedrock.events import Exchange
from custom_models.core.budget import CallUsage, Limits
from custom_models.core.errors import UpstreamInvalid, UpstreamUnavailable
from custom_models.core.listing import MAX_AHEAD
from custom_models.core.models import Page, PageRequest, Source


class BedrockCalls:
    """The calls of one request; see Calls."""

    def __init__(self, paginators: Mapping[str, Any], credentials: RequestCredentials, limits: Limits) -> None:
        """``paginators`` has the paginator of each region."""
        self.max_attempt_seconds: float = deadline.MAX_ATTEMPT_SECONDS
        self.paginators = paginators
        self.credentials = credentials
        self.limits = limits
        self._prepared: set[str] = set()
        self._started: list[BackgroundCall | _Credentials] = []
        self._queue: SimpleQueue[BackgroundCall | _Credentials | None] = SimpleQueue()

    def call(self, request: PageRequest) -> "BedrockCall":
        """Return a call that ``result`` makes in the calling thread."""
        return BedrockCall(self, request)

    def start(self, request: PageRequest) -> "BackgroundCall":
        """Return a call that is made in the background, at once or when a thread is free."""
        call = BackgroundCall(self, request)
        self._run(call)
        return call

    def prepare(self, sources: Sequence[Source]) -> None:
        """Assume the roles of these sources; see Calls. Otherwise all calls of one account would wait for its role."""
        for account in {source.account for source in sources} - self._prepared:
            self._prepared.add(account)
            if not self.credentials.is_known(account):
                self._run(_Credentials(self, account))

    def _run(self, task: "BackgroundCall | _Credentials") -> None:
        self._started.append(task)
        self._queue.put(task)
        if len(self._started) <= MAX_AHEAD:
            threading.Thread(target=self._work, daemon=True).start()

    def close(self) -> None:
        """Abandon all calls that are still running."""
        for call in self._started:
            call.abandon()
        for _ in self._started[:MAX_AHEAD]:
            self._queue.put(None)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            task.run()


class _Credentials:
    """The credentials of an account, requested before the first call that needs them."""

    def __init__(self, calls: BedrockCalls, account: str) -> None:
        self._calls = calls
        self._account = account
        self._exchange = Exchange(CallUsage(), calls.limits.deadline)

    def run(self) -> None:
        self._exchange.begin()
        # A failure is kept for the calls that need these credentials. They report it.
        with suppress(Exception), events.in_progress(self._exchange):
            if self._exchange.remaining > 0:
                self._calls.credentials.get(self._account, self._exchange)

    def abandon(self) -> None:
        connections.abort(self._exchange)


class BedrockCall:
    """A call in the calling thread; see Call."""

    def __init__(self, calls: BedrockCalls, request: PageRequest) -> None:
        """Prepare the call."""
        self.request = request
        self.usage = CallUsage()
        self._calls = calls
        self._exchange = Exchange(self.usage, calls.limits.deadline)

    def cancel(self) -> bool:
        """Return True: only ``result`` starts the call."""
        return True

    def result(self) -> Page:
        """Make the call; see Call."""
        self._begin()
        return self._fetch()

    def _begin(self) -> None:
        self.usage.late = self._calls.limits.remaining < deadline.MAX_CALL_SECONDS
        self._exchange.begin()

    def _fetch(self) -> Page:
        exchange = self._exchange
        try:
            with events.in_progress(exchange), deadline.interrupt_after(exchange.remaining, self._abort):
                self._send(exchange)
            return response.page(exchange.content)
        except UpstreamInvalid:
            # The rest of a broken response must not be read as the response to another request.
            connections.close(exchange)
            raise
        except TimeoutError:
            # The time was over outside the botocore code that converts a timeout to botocore's own exception.
            connections.close(exchange)
            self.usage.error = TimeoutError.__name__
            raise UpstreamUnavailable from None

    def _abort(self) -> bool:
        return connections.abort(self._exchange)

    def _send(self, exchange: Exchange) -> None:
        request = self.request
        exchange.credentials = self._calls.credentials.get(request.source.account, exchange)
        if exchange.remaining <= 0:
            raise TimeoutError
        arguments: dict[str, Any] = dict(request.filters)
        if request.token is not None:
            # Do not pass it as StartingToken: botocore would decode it and, if it happens to be JSON, change it.
            arguments["nextToken"] = request.token
        paginator = self._calls.paginators[request.source.region]
        pages = paginator.paginate(**arguments, PaginationConfig={"PageSize": request.page_size})
        try:
            next(iter(pages))
        except Exception as error:
            if exchange.remaining <= 0:
                raise TimeoutError from None  # the time is over, whatever this exception is
            # The message of an exception may hold a URL and a token, so it is neither kept nor logged.
            self.usage.error = code = loggable_code(error, exchange.status, request.token)
            if code in UNKNOWN_CREDENTIALS:
                self._calls.credentials.forget(request.source.account)
            raise translate(error, exchange.status, request.token) from None


class BackgroundCall(BedrockCall):
    """A call in a thread of the request; see Call."""

    def __init__(self, calls: BedrockCalls, request: PageRequest) -> None:
        """Prepare the call."""
        super().__init__(calls, request)
        self._future: Future[Page] = Future()

    def run(self) -> None:
        """Make the call, unless it was cancelled."""
        self._begin()  # first, because result() waits as long as the call may last
        if self._future.set_running_or_notify_cancel():
            try:
                self._future.set_result(self._fetch())
            except Exception as error:
                self._future.set_exception(error)

    def cancel(self) -> bool:
        """Prevent the call from starting; return False if it has already started."""
        return self._future.cancel()

    def result(self) -> Page:
        """Wait for the page; see Call."""
        try:
            return self._future.result(max(self._exchange.remaining, 0))
        except TimeoutError:
            self.abandon()
            self.usage.error = TimeoutError.__name__
            raise UpstreamUnavailable from None

    def abandon(self) -> None:
        """End the call if it is still running. Its result is not used."""
        if not self._future.cancel() and not self._future.done():
            connections.abort(self._exchange)
