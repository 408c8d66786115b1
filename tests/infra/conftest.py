"""What the tests of the stack stand on."""

# Before aws_cdk, which the tests import first and which would take whatever Node.js the machine has, or has not.
import infra  # noqa: F401
