"""The HTTP contract: events of an API Gateway REST API in, proxy responses out."""

from custom_models.adapters.http_api.api import HttpApi, is_http

__all__ = ["HttpApi", "is_http"]
