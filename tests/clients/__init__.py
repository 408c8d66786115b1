"""Clients that others generate from the OpenAPI document, and the linters that others check it with.

`test_python.py` generates clients with openapi-python-client and with OpenAPI Generator, and serves the tools of
fastmcp. The programs `list_with_*.py` use them as their users would; they run in `.venv-clients`, because the packages
have other versions than the tests. `test_lint.py` runs Redocly and Spectral. Everything calls the real function over
HTTP, in front of the emulator of Bedrock, and nothing needs the network.
"""
