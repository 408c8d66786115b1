"""The measured process: runs the handler of one bundle on requests from a pipe. Standard library only.

``invoke.py BUNDLE MODULE:NAME RESULTS`` reads lines ``[times, event]`` from standard input. For each it writes
to the file descriptor RESULTS a line with the CPU and wall seconds and the length of the body, then the body.
With an empty MODULE:NAME it ends instead of importing a handler.
"""

import importlib
import json
import os
import sys
import time


class Context:
    """Lambda's context object."""

    function_name = "custom-models-bench"
    function_version = "1"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:custom-models-bench"
    memory_limit_in_mb = "512"
    aws_request_id = "8f0c1f0e-5f5b-4b5e-9a53-5d7d3a4c1b1e"

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
            started, started_at = time.process_time(), time.perf_counter()
            for _ in range(times):
                response = handler(event, context)
                if response.get("statusCode", 200) != 200:
                    raise RuntimeError(response)
            cpu, wall = time.process_time() - started, time.perf_counter() - started_at
            mark()
            body = response["body"] if "statusCode" in response else json.dumps(response, default=str)
            content = body.encode()
            out.write(b"%r %r %d\n" % (cpu, wall, len(content)) + content)
            out.flush()
            mark()
    # The end of the interpreter is not part of a start.
    os._exit(0)


def mark() -> None:
    """Call a C function that nothing else calls: callgrind starts a new count there."""
    os.getloadavg()


main()
