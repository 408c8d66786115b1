// An example client of the Custom Models API: lists all models, page by page, with signed requests. Copy and adapt it.
//
//     node client.ts https://ID.execute-api.us-east-1.amazonaws.com/dev/ nameContains=churn isOwned=true
//
// Add allowPartial=true to list what can be listed when an account or a region of the inventory fails. The exit status
// is 0 if the listing is complete, 3 if it is not (the models are printed, and a line on stderr names the missing
// sources), 1 after an error (nothing is printed), and 2 if the arguments are wrong.
//
// Copy package.json and custom-models.d.ts too (its types are generated from the API's OpenAPI document), and run
// `npm install`. Node.js 22.18 and newer run TypeScript as it is. Requests are signed with the credentials that the AWS
// SDK finds (environment, profile, SSO, role), for the region in the URL, or else for AWS_REGION. Without credentials,
// only requests to this machine are sent, unsigned: `make run` needs no signature. Redirects are not followed, because a
// signature is for one host only.

import { setTimeout as sleep } from "node:timers/promises";

import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { Sha256 } from "@smithy/core/checksum";
import { SignatureV4 } from "@smithy/signature-v4";
import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./custom-models.d.ts";

const USAGE = "usage: node client.ts URL [NAME=VALUE ...]";
const HELP = `${USAGE}

List custom models, one line of JSON for each. Signs requests with the credentials that the AWS SDK finds.

URL         the API's URL, such as http://127.0.0.1:8000
NAME=VALUE  a parameter, such as nameContains=churn`;

const ATTEMPTS = 5;
const RETRIED = new Set([429, 503, 504]);
const MAX_WAIT = 60; // seconds between two attempts
const PAGE_SIZE = 1000; // the largest page, so that a listing needs the fewest requests
const TIMEOUT = 35; // seconds; the API responds within 29
const WALKS = 3; // how often to list from the first page
const STARTS_AGAIN = new Set(["expired-cursor", "cursor-mismatch"]); // only a new listing can succeed
const MAX_NAMED = 10; // missing sources in the line on stderr
const INCOMPLETE = 3; // the exit status
const LOCAL = ["127.0.0.1", "localhost", "[::1]"]; // the names of this machine
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

type Model = components["schemas"]["ModelSummary"];
type Coverage = components["schemas"]["Coverage"];
type Page = components["schemas"]["Listing"];

/** The API's parameters. Times are text: `new Date("2026-01-31").toISOString()`. */
export type Query = NonNullable<paths["/custom-models"]["get"]["parameters"]["query"]>;

/**
 * All models, and how much of the inventory they cover.
 *
 * `coverage` is the last page's: only if `coverage.complete` are these the models of all selected sources. It is
 * undefined if the API is older than inventories; then it lists one account in one region.
 */
export interface Listing {
  models: Model[];
  coverage: Coverage | undefined;
}

/** A response that is not a listing: its HTTP `status`, and the `kind` of a problem (`expired-cursor`). */
export class ApiError extends Error {
  readonly status: number;
  readonly kind: string;

  constructor(status: number, body: unknown) {
    const isProblem = typeof body === "object" && body !== null && "type" in body;
    const problem = (isProblem ? body : {}) as Partial<components["schemas"]["Problem"]>;
    const text = typeof body === "string" ? body : JSON.stringify(body); // not from the API, but from a proxy
    const kind = String(problem.type ?? "").split(":").at(-1) ?? "";
    const ids = [problem.source && `source ${problem.source}`, problem.requestId && `request ${problem.requestId}`];
    const suffix = ids.some(Boolean) ? ` (${ids.filter(Boolean).join(", ")})` : "";
    super(`${status} ${kind}: ${problem.detail ?? text?.slice(0, 200)}${suffix}`);
    this.status = status;
    this.kind = kind;
  }
}

/**
 * List each custom model once. `query.maxItems` is the page size (default 1000).
 *
 * The models are returned together, because the listing starts again with the first page if the cursor expires or the
 * inventory changes. Throws an `ApiError` if the API returned an error, or was busy five times in a row, or if the
 * third listing had to start again.
 */
export async function customModels(url: string, query: Query = {}): Promise<Listing> {
  const api = createClient<paths>({
    baseUrl: `${url.replace(/\/$/, "")}/v1`,
    fetch: await signedFetch(url),
    querySerializer: { array: { style: "form", explode: false } }, // accounts=111122223333,444455556666
  });
  for (let left = WALKS - 1; ; left--) {
    try {
      return await walk(api, { maxItems: PAGE_SIZE, ...query });
    } catch (error) {
      if (!(error instanceof ApiError && STARTS_AGAIN.has(error.kind)) || left === 0) throw error;
      console.error(`client: starting again: ${error.message}`);
    }
  }
}

async function walk(api: Client<paths>, query: Query): Promise<Listing> {
  const models: Model[] = [];
  for (;;) {
    const { data, error, response } = await api.GET("/custom-models", { params: { query } }).catch(notJson);
    // Anything else, such as the login page of a proxy, must not look like an empty listing.
    if (!isListing(data)) throw new ApiError(response.status, error ?? data);
    models.push(...data.modelSummaries);
    if (!data.nextCursor) return { models, coverage: data.coverage }; // only this means the end: a page may be empty
    query = { ...query, cursor: data.nextCursor };
    if (process.stderr.isTTY) console.error(`client: ${models.length} models so far`);
  }
}

function isListing(page: Page | undefined): page is Page {
  return Array.isArray(page?.modelSummaries) && ["string", "undefined"].includes(typeof (page.nextCursor ?? undefined))
    && isCoverage(page.coverage ?? undefined);
}

function isCoverage(coverage: Coverage | undefined): boolean {
  if (coverage === undefined || coverage.complete === true) return true;
  const { complete, sources, listed, unreachable } = coverage;
  const isReport = complete === false && typeof sources === "number" && typeof listed === "number";
  return isReport && Array.isArray(unreachable) && unreachable.every((one) => one?.source && one.problem);
}

function notJson(error: unknown): never {
  throw error instanceof SyntaxError ? new ApiError(200, error.message) : error;
}

/** Return a `fetch` that signs requests to the API at this URL, and repeats them if they may succeed later. */
export async function signedFetch(url: string): Promise<(request: Request) => Promise<Response>> {
  const signer = await signerFor(new URL(url));
  return async (request) => {
    for (let left = ATTEMPTS - 1; ; left--) {
      const headers = signer ? await sign(signer, request) : request.headers;
      const signal = AbortSignal.timeout(TIMEOUT * 1000);
      const response = await fetch(request.url, { headers, signal, redirect: "manual" });
      if (REDIRECTS.has(response.status)) {
        await response.body?.cancel();
        throw new ApiError(response.status, `redirects are not followed: ${response.headers.get("Location")}`);
      }
      if (!RETRIED.has(response.status) || left === 0) return response;
      await response.body?.cancel();
      await sleep(1000 * seconds(response.headers.get("Retry-After")));
    }
  };
}

async function signerFor({ protocol, hostname, username, password }: URL): Promise<SignatureV4 | undefined> {
  if (!/^https?:$/.test(protocol) || username || password) {
    throw new Error("the URL must start with http:// or https:// and the name of a host");
  }
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  const region = /\.execute-api\.([a-z0-9-]+)\./.exec(hostname)?.[1] ?? (AWS_REGION || AWS_DEFAULT_REGION);
  const found = defaultProvider(region ? { clientConfig: { region } } : {}); // renews them when they expire
  const credentials = async () => {
    const keys = await found();
    check(keys.accessKeyId, keys.secretAccessKey, keys.sessionToken, region);
    return keys;
  };
  try {
    await found();
    if (!region) throw new Error("set AWS_REGION to the API's region: requests are signed for a region");
  } catch (error) {
    if (LOCAL.includes(hostname)) return undefined;
    const why = `unsigned requests are sent to this machine only (${LOCAL.join(", ")})`;
    throw new Error(`${message(error)}: ${why}`);
  }
  await credentials();
  return new SignatureV4({ service: "execute-api", region, credentials, sha256: Sha256 });
}

/** Refuse what would be in the text of an error if it was sent as a header. */
function check(...texts: (string | undefined)[]): void {
  if (texts.every((text) => /^[!-~]*$/.test(text ?? ""))) return;
  throw new Error("the AWS credentials or the region have a space or a control character, such as a line's end");
}

async function sign(signer: SignatureV4, { method, url, headers }: Request): Promise<Record<string, string>> {
  const { protocol, host, hostname, pathname, searchParams } = new URL(url);
  const signed = await signer.sign({
    method,
    protocol,
    hostname,
    path: pathname,
    query: Object.fromEntries(searchParams),
    headers: { ...Object.fromEntries(headers), host },
  });
  return signed.headers;
}

/** Return how long to wait: Retry-After has seconds or an HTTP date (RFC 9110, section 10.2.3). */
function seconds(retryAfter: string | null): number {
  const number = Number(retryAfter || NaN);
  const wait = Number.isNaN(number) ? (Date.parse(retryAfter ?? "") - Date.now()) / 1000 : number;
  return Number.isFinite(wait) ? Math.min(Math.max(wait, 0), MAX_WAIT) : 1;
}

/** Return a line that says how much is missing, and why. */
function incomplete({ sources, listed, unreachable }: Coverage): string {
  const named = unreachable.slice(0, MAX_NAMED).map(({ source, problem }) => `${source} (${problem})`);
  if (unreachable.length > MAX_NAMED) named.push(`and ${unreachable.length - MAX_NAMED} more`);
  return `INCOMPLETE: ${sources - listed} of ${sources} sources missing: ${named.join(", ")}`;
}

/** Print each model as one line of JSON, and return the exit status. */
async function main(): Promise<number> {
  const [url, ...texts] = process.argv.slice(2);
  if (url === "--help" || url === "-h") {
    console.log(HELP);
    return 0;
  }
  const parameters = new Map(texts.map((text) => text.split(/=(.*)/s, 2)).map(([name, value = ""]) => [name, value]));
  if (!url || url.startsWith("-") || parameters.size < texts.length) {
    console.error(url && !url.startsWith("-") ? "client: a parameter is given twice" : USAGE);
    return 2;
  }
  try {
    // Their values are text here; the API checks names and values.
    const { models, coverage } = await customModels(url, Object.fromEntries(parameters) as Query);
    print(models);
    return report(coverage);
  } catch (error) {
    console.error(`client: ${message(error)}`);
    return 1;
  }
}

function print(models: Model[]): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error; // the reader, such as `head`, closed the pipe
  });
  const lines = models.map((model) => `${JSON.stringify(model)}\n`); // all, before the first one is printed
  for (const line of lines) process.stdout.write(line);
}

function report(coverage: Coverage | undefined): number {
  if (coverage?.complete) return 0;
  if (coverage) {
    console.error(`client: ${incomplete(coverage)}`);
    return INCOMPLETE;
  }
  const meaning = "it is an older version, which lists one account in one region";
  console.error(`client: the API does not report coverage: ${meaning}`);
  return 0;
}

/** Return the message of an error, and its cause: that of `fetch` says only "fetch failed". */
function message(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  if (!(cause instanceof Error)) return message;
  return `${message}: ${cause.message || ("code" in cause ? cause.code : cause.name)}`;
}

if (import.meta.main) process.exitCode = await main();
