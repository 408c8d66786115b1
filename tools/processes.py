"""The environment of the function when a tool runs it, and the CPU time and memory of a process."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from emulators.lambda_runtime import lambda_environment

ROOT = Path(__file__).resolve().parents[1]


def function_settings(bedrock: Mapping[str, str]) -> dict[str, str]:
    """Return what a function needs in addition to ``lambda_environment``; ``bedrock`` says where Bedrock is."""
    return {
        "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "an-example-of-a-secret-access-key-only-1",
        "AWS_SESSION_TOKEN": "an-example-of-a-session-token",
        # Do not read the settings of this machine.
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "CURSOR_KEY": "a key of the tools, used nowhere else",
        **bedrock,
    }


def use_bedrock(settings: Mapping[str, str]) -> None:
    """Replace the settings in this process's environment; ``settings`` says where a function in it finds Bedrock."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CURSOR_", "INVENTORY", "POWERTOOLS_"))]:
        del os.environ[name]
    os.environ.update(lambda_environment(ROOT, **function_settings(settings)))


def resident_memory(pid: int, *, peak: bool = False) -> float:
    """Return the resident memory of a process in MB (10^6 bytes): the current value or the peak."""
    # Not ru_maxrss: a new process inherits that value from its parent.
    field = "VmHWM" if peak else "VmRSS"
    match = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that all threads of a process have used, to a hundredth of a second."""
    # The name of the process, in parentheses, may contain spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
