"""Imports ``infra`` before any test imports ``aws_cdk``, because it selects the Node.js that the CDK runs on."""

import infra  # noqa: F401
