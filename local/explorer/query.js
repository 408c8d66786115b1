// The query of the page, and requests to the API.
//
// The URL holds the query. The history state holds the pages seen so far: for each page its cursor and
// the number of models on the pages before it.

const LISTING = "/v1/custom-models";

/** The sources of the inventory, ACCOUNT/REGION; empty if there is no inventory. */
export const INVENTORY = document.documentElement.dataset.sources.split(" ").filter(Boolean);

// --- URLs --------------------------------------------------------------------------------------

/** Returns a path with a query; without parameters, the path alone. */
const withQuery = (path, params) => (params.size ? `${path}?${params}` : path);

/** The URL of the page that shows a query. */
export const pageUrl = (params) => withQuery(location.pathname, params);

/** The URL of the API's response to a query. */
export const listingUrl = (params) => location.origin + withQuery(LISTING, params);

// --- History -----------------------------------------------------------------------------------

export const FIRST_PAGE = { pages: [{ cursor: null, first: 0 }], page: 0 };

export const state = () => history.state ?? FIRST_PAGE;

/** The query in the URL. It has a cursor only if somebody opened the page with one. */
export const queryInUrl = () => new URLSearchParams(location.search);

/** The query to send: the query in the URL, with the cursor of the current page. */
export function query() {
  const params = queryInUrl();
  const { cursor } = state().pages[state().page];
  if (cursor) params.set("cursor", cursor);
  return params;
}

/** The query in the URL without its cursor, with some parameters changed; null removes one. */
export function firstQuery(changed = {}) {
  const params = queryInUrl();
  for (const [name, value] of Object.entries({ cursor: null, ...changed })) {
    if (value === null) params.delete(name);
    else params.set(name, value);
  }
  return params;
}

/** Stores the cursor of the next page. Drops later pages, as they may belong to an older listing. */
export function rememberNextPage(next, count) {
  const { pages, page } = state();
  const seen = pages.slice(0, page + 1);
  if (next) seen.push({ cursor: next, first: pages[page].first + count });
  history.replaceState({ pages: seen, page }, "");
}

// --- Requests ----------------------------------------------------------------------------------

/** Requests a page of the listing. Throws a SyntaxError if the response is not a JSON object. */
export async function requestPage(params, signal) {
  const response = await fetch(listingUrl(params), { signal, cache: "no-store" });
  const seconds = response.headers.get("Retry-After");
  const body = await response.json();
  if (typeof body !== "object" || body === null) throw new SyntaxError("not a response of this API");
  return {
    body,
    ok: response.ok,
    status: response.status,
    id: response.headers.get("X-Request-Id") ?? "unknown",
    retryAfter: /^\d+$/.test(seconds) ? Number(seconds) : null,
  };
}

/** Describes an error that is not a response of the API, as a problem. */
export function failure(error) {
  if (error.name === "AbortError") return { title: "Stopped", detail: "You stopped waiting for the response." };
  if (error instanceof SyntaxError) return { title: "Unexpected response", detail: "The response does not come from this API." };
  return { title: "No response from the API", detail: "Check that make run is still running." };
}

/** Returns what a problem says to do. Throws a SyntaxError if it is not a problem of this API. */
export function advice({ title, detail, source }) {
  if (!title || !detail) throw new SyntaxError("not a problem document of this API");
  return source ? `${detail} Source: ${source}.` : detail;
}
