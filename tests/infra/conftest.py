"""Imports ``infra`` before any test imports ``aws_cdk``, because it selects the Node.js that the CDK runs on.

Tests import ``aws_cdk`` where they use it: it takes seconds, also for those who only collect the tests.
"""

import infra  # noqa: F401
