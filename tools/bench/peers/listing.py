"""The query and the response of the listing, as the peers with pydantic declare them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A model with the names of the API."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, protected_namespaces=())


class ListingQuery(Model):
    """The query parameters."""

    creation_time_before: datetime | None = None
    creation_time_after: datetime | None = None
    name_contains: str | None = Field(None, min_length=1, max_length=63)
    base_model_arn_equals: str | None = None
    foundation_model_arn_equals: str | None = None
    is_owned: bool | None = None
    model_status: Literal["Active", "Creating", "Failed"] | None = None
    sort_by: Literal["CreationTime"] | None = None
    sort_order: Literal["Ascending", "Descending"] | None = None
    max_items: int = Field(100, ge=1, le=1000)
    page_size: int | None = Field(None, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=4096)

    def arguments(self):
        """Return the arguments of boto3's paginator."""
        filters = self.model_dump(by_alias=True, exclude_none=True, exclude={"max_items", "page_size", "cursor"})
        paging = {
            "MaxItems": self.max_items,
            "PageSize": self.page_size or self.max_items,
            "StartingToken": self.cursor,
        }
        return {**filters, "PaginationConfig": paging}


class Summary(Model):
    """One model."""

    model_arn: str
    model_name: str
    creation_time: datetime
    base_model_arn: str
    base_model_name: str
    customization_type: str | None = None
    owner_account_id: str | None = None
    model_status: str | None = None


class Page(Model):
    """Some models, and the cursor of the next page."""

    model_summaries: list[Summary]
    next_cursor: str | None = None
