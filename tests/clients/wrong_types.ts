// Each mistake below is a type error. The compiler also reports a line without one.

import createClient from "openapi-fetch";

import type { components, paths } from "./custom-models.d.ts";

const api = createClient<paths>({ baseUrl: "http://127.0.0.1/v1" });

// @ts-expect-error: a time is text
api.GET("/custom-models", { params: { query: { creationTimeAfter: new Date() } } });
// @ts-expect-error: a number is not text
api.GET("/custom-models", { params: { query: { maxItems: "5" } } });
// @ts-expect-error: nor is a boolean
api.GET("/custom-models", { params: { query: { isOwned: "true" } } });
// @ts-expect-error: there is no such status
api.GET("/custom-models", { params: { query: { modelStatus: "active" } } });
// @ts-expect-error: there is no such order
api.GET("/custom-models", { params: { query: { sortOrder: "descending" } } });
// @ts-expect-error: accounts are an array
api.GET("/custom-models", { params: { query: { accounts: "111122223333" } } });
// @ts-expect-error: there is no such parameter
api.GET("/custom-models", { params: { query: { namecontains: "churn" } } });
// @ts-expect-error: nor such a header
api.GET("/custom-models", { params: { header: { "If-Match": "*" } } });
// @ts-expect-error: nor such a path
api.GET("/models");
// @ts-expect-error: nor such a method
api.POST("/custom-models");

const { data, error } = await api.GET("/custom-models");
// @ts-expect-error: there is no data after an error
data.modelSummaries;
// @ts-expect-error: a problem may be about something else than parameters
error?.errors[0];
// @ts-expect-error: not every response has a next page
const next: string = data!.nextCursor;
// @ts-expect-error: a model has no such field
data!.modelSummaries[0]?.status;
// @ts-expect-error: coverage is always there
const older: components["schemas"]["Listing"] = { modelSummaries: [] };
