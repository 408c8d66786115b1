"""Clients that others generate from the OpenAPI document, and the linters that others check it with.

`test_generated.py` generates clients with openapi-python-client, OpenAPI Generator and openapi-typescript.
`test_fastmcp.py` calls the tools that fastmcp makes. The programs `list_with_*` use them as their users would. Those in
Python run in `.venv-clients`, because the packages have other versions than the tests; the one in TypeScript has the
packages of `examples/`. `test_lint.py` runs Redocly and Spectral. Everything calls the real function over HTTP, in
front of the emulator of Bedrock, and nothing needs the network.
"""
