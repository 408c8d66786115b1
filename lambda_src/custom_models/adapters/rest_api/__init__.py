"""The HTTP contract: accepts events of an API Gateway REST API and returns proxy responses."""

from custom_models.adapters.rest_api.api import Document, RestApi, is_http

__all__ = ["Document", "RestApi", "is_http"]
