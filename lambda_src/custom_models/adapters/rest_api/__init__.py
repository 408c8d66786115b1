"""The HTTP contract: events of an API Gateway REST API in, proxy responses out."""

from custom_models.adapters.rest_api.api import RestApi, is_http

__all__ = ["RestApi", "is_http"]
