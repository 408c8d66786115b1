"""Bedrock's ``ListCustomModels``: validated, cursor-paged, over HTTP and by direct invocation."""
