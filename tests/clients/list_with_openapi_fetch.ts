// List models with openapi-fetch, and the types that openapi-typescript generates.
//
//     node list_with_openapi_fetch.ts <listings.jsonl >pages.jsonl
//
// Each line of standard input is a JSON object with the URL of an API and the arguments of listings, under the names that
// the clients for Python have. The program requests all pages of these listings, and prints a line of JSON with them.

import { createInterface } from "node:readline";

import createClient, { type Client } from "openapi-fetch";

import { signedFetch } from "./client.ts";
import type { paths } from "./custom-models.d.ts";

type Parameters = Required<Pick<paths["/custom-models"]["get"]["parameters"], "query" | "header">>;
type Query = Parameters["query"];

interface Arguments {
  creation_time_before?: string;
  creation_time_after?: string;
  name_contains?: string;
  base_model_arn_equals?: string;
  foundation_model_arn_equals?: string;
  is_owned?: boolean;
  model_status?: "Active" | "Creating" | "Failed";
  sort_by?: "CreationTime";
  sort_order?: "Ascending" | "Descending";
  accounts?: string[];
  regions?: string[];
  allow_partial?: boolean;
  max_items?: number;
  page_size?: number;
  cursor?: string;
  if_none_match?: string;
  x_correlation_id?: string;
}

async function client(url: string): Promise<Client<paths>> {
  return createClient<paths>({
    baseUrl: `${url}/v1`,
    fetch: await signedFetch(url),
    querySerializer: { array: { style: "form", explode: false } },
  });
}

function parameters(given: Arguments): Parameters {
  const query: { [name in keyof Required<Query>]: Query[name] } = {
    // A Date has milliseconds: the upper bound is rounded up, so that no model is left out.
    creationTimeBefore: given.creation_time_before && time(new Date(given.creation_time_before).getTime() + 1),
    creationTimeAfter: given.creation_time_after && time(given.creation_time_after),
    nameContains: given.name_contains,
    baseModelArnEquals: given.base_model_arn_equals,
    foundationModelArnEquals: given.foundation_model_arn_equals,
    isOwned: given.is_owned,
    modelStatus: given.model_status,
    sortBy: given.sort_by,
    sortOrder: given.sort_order,
    accounts: given.accounts,
    regions: given.regions,
    allowPartial: given.allow_partial,
    maxItems: given.max_items,
    pageSize: given.page_size,
    cursor: given.cursor,
  };
  return { query, header: { "If-None-Match": given.if_none_match, "X-Correlation-Id": given.x_correlation_id } };
}

function time(instant: string | number): string {
  return new Date(instant).toISOString();
}

function get(api: Client<paths>, params: Parameters) {
  return api.GET("/custom-models", { params });
}

async function pages(api: Client<paths>, given: Arguments): Promise<unknown[]> {
  const params = parameters(given);
  const found = [];
  for (;;) {
    const result = await get(api, params);
    found.push(page(result));
    if (!result.data?.nextCursor) return found;
    params.query.cursor = result.data.nextCursor;
  }
}

function page({ data, error, response }: Awaited<ReturnType<typeof get>>): object {
  const found = { status: response.status, etag: response.headers.get("ETag") };
  if (data) {
    const { modelSummaries, coverage } = data;
    const unreachable = Object.fromEntries(coverage.unreachable.map(({ source, problem }) => [source, problem]));
    const models = modelSummaries.map(({ creationTime, ...model }) => ({
      ...model,
      creationTime: creationTime.replace("Z", "+00:00"), // as the programs in Python print it
    }));
    return { ...found, models, complete: coverage.complete, unreachable };
  }
  if (error) {
    const errors = Object.fromEntries((error.errors ?? []).map(({ parameter, message }) => [parameter, message]));
    return { ...found, type: error.type, source: error.source ?? null, errors };
  }
  return found; // 304
}

for await (const line of createInterface({ input: process.stdin })) {
  const { url, listings } = JSON.parse(line) as { url: string; listings: Arguments[] };
  const api = await client(url);
  const found = [];
  for (const given of listings) found.push(await pages(api, given));
  console.log(JSON.stringify(found));
}
