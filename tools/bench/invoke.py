"""The measured process: one bundle's handler, asked over a pipe. Standard library alone.

``invoke.py BUNDLE MODULE:NAME RESULTS`` answers each line ``[times, event]`` of its standard input on
the file descriptor RESULTS: a line with the CPU seconds that it took and the body's length, then the
body. Without a name it ends where it would import the handler.
"""

import importlib
import json
import os
import sys
import time


class Context:
    """What Lambda passes to a handler."""

    function_name = "custom-models-bench"
    function_version = "1"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:custom-models-bench"
    memory_limit_in_mb = "512"
    aws_request_id = "8f0c1f0e-5f5b-4b5e-9a53-5d7d3a4c1b1e"
    log_group_name = "/aws/lambda/custom-models-bench"
    log_stream_name = "2026/11/23/[1]0123456789abcdef0123456789abcdef"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left."""
        return 27_000


def main() -> None:
    """Serve until standard input ends."""
    bundle, target, results = sys.argv[1:]
    sys.path.insert(0, bundle)
    mark()
    if not target:
        os._exit(0)
    module, _, name = target.partition(":")
    handler = getattr(importlib.import_module(module), name)
    context = Context()
    with open(int(results), "wb") as out:  # noqa: PTH123 - a descriptor, not a path
        for line in sys.stdin.buffer:
            times, event = json.loads(line)
            started = time.process_time()
            for _ in range(times):
                answer = handler(event, context)
                if answer.get("statusCode", 200) != 200:
                    raise RuntimeError(answer)
            seconds = time.process_time() - started
            mark()
            body = answer["body"] if "statusCode" in answer else json.dumps(answer, default=str)
            content = body.encode()
            out.write(b"%r %d\n" % (seconds, len(content)) + content)
            out.flush()
            mark()
    # Taking the interpreter down is no part of a start.
    os._exit(0)


def mark() -> None:
    """Call a function of the C library that nobody else calls, at which callgrind starts a new count."""
    os.getloadavg()


main()
