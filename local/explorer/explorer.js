// The explorer: a form built from the API's OpenAPI document, a table of models, and the request as code to copy.
//
// The URL holds the query. The history state holds the pages seen so far: for each page its cursor and
// the number of models on the pages before it. Text from models and errors is never inserted as HTML.

const LISTING = "/v1/custom-models";
const SLOW = 3_000; // milliseconds until the page explains why it is still waiting
const MAX_NAMES = 5; // how many unreachable sources the status line names

const element = (id) => document.getElementById(id);
const wide = matchMedia("(min-width: 60rem)");
const wait = { controller: null, timer: 0, focused: null };
const parameters = new Map(); // the parameters in the OpenAPI document, by name

// --- Query and history -------------------------------------------------------------------------

const FIRST_PAGE = { pages: [{ cursor: null, first: 0 }], page: 0 };

const state = () => history.state ?? FIRST_PAGE;

/** The query in the URL. It has a cursor only if somebody opened the page with one. */
const queryInUrl = () => new URLSearchParams(location.search);

/** The query to send: the query in the URL, with the cursor of the current page. */
function query() {
  const params = queryInUrl();
  const { cursor } = state().pages[state().page];
  if (cursor) params.set("cursor", cursor);
  return params;
}

/** Opens the first page of another query. */
function openQuery(search) {
  history.pushState(FIRST_PAGE, "", search || location.pathname);
  load();
}

/** Opens the first page of the current query, with some parameters changed. */
function restart(changed = {}) {
  const params = queryInUrl();
  params.delete("cursor");
  for (const [name, value] of Object.entries(changed)) params.set(name, value);
  openQuery(`?${params}`);
}

function turnPage(by) {
  const { pages, page } = state();
  if (!pages[page + by]) return; // clicked twice: the cursor of the next page is not known yet
  history.pushState({ pages, page: page + by }, "");
  if (element("models").getBoundingClientRect().top < 0) element("models").scrollIntoView();
  load();
}

/** Stores the cursor of the next page. Drops later pages, as they may belong to an older listing. */
function rememberNextPage(next, count) {
  const { pages, page } = state();
  const seen = pages.slice(0, page + 1);
  if (next) seen.push({ cursor: next, first: pages[page].first + count });
  history.replaceState({ pages: seen, page }, "");
}

// --- Loading -----------------------------------------------------------------------------------

async function load() {
  wait.controller?.abort();
  const controller = new AbortController();
  wait.controller = controller;
  const params = query();
  wait.focused = document.activeElement;
  fillForm();
  showQuery(params);
  startWaiting();
  let show;
  try {
    const started = performance.now();
    const response = await fetch(`${LISTING}?${params}`, { signal: controller.signal, cache: "no-store" });
    const body = await response.json();
    const time = Math.round(performance.now() - started);
    show = () => {
      const id = response.headers.get("X-Request-Id");
      element("answered").textContent = `Response ${response.status} in ${time} ms, request ID ${id ?? "unknown"}`;
      if (response.ok) showListing(body, params);
      else showProblem(body, response.headers.get("Retry-After"));
    };
  } catch (error) {
    show = () => showProblem(failure(error));
  }
  // A newer request has started: drop this response.
  if (wait.controller !== controller) return;
  keepFocus(() => {
    stopWaiting();
    try {
      show();
    } catch {
      showProblem(failure(new SyntaxError("fields are missing")));
    }
  });
}

function failure(error) {
  if (error.name === "AbortError") return { title: "Stopped", detail: "You stopped waiting for the response." };
  if (error instanceof SyntaxError) return { title: "Unexpected response", detail: "The response does not come from this API." };
  return { title: "No response from the API", detail: "Check that make run is still running." };
}

function startWaiting() {
  const started = Date.now();
  element("table").ariaBusy = "true";
  element("answered").textContent = "";
  keepFocus(clearErrors);
  announce("");
  clearInterval(wait.timer);
  wait.timer = setInterval(() => {
    const slow = Date.now() - started > SLOW;
    element("progress").hidden = false;
    element("stop").hidden = !slow;
    announce(slow ? "Still waiting: Bedrock is slow. The API waits up to 21 seconds." : "Waiting for Bedrock …");
  }, 200);
}

function stopWaiting() {
  clearInterval(wait.timer);
  element("table").ariaBusy = "false";
  element("progress").hidden = element("stop").hidden = true;
}

/** Sets the status text. Skips unchanged text, because a screen reader would read it again. */
function announce(text) {
  if (element("status").textContent !== text) element("status").textContent = text;
}

// --- Models ------------------------------------------------------------------------------------

function showListing({ modelSummaries: models, nextCursor, coverage }, params) {
  const missing = missingSources(coverage);
  element("rows").replaceChildren(...models.map(row));
  rememberNextPage(nextCursor, models.length);
  element("scroller").hidden = !models.length;
  suggestBaseModels(models);
  showEmpty(!models.length, params, nextCursor, coverage);
  showPager(Boolean(nextCursor));
  announce(`${range(models.length)}; ${nextCursor ? "more pages follow" : "last page"}.${missing}`);
}

/** Returns a sentence that names the sources that could not be listed so far; empty if there are none. */
function missingSources({ unreachable, sources }) {
  if (!unreachable.length) return "";
  const names = unreachable.slice(0, MAX_NAMES).map(({ source }) => source);
  if (unreachable.length > MAX_NAMES) names.push(`${unreachable.length - MAX_NAMES} more`);
  return ` Incomplete: ${unreachable.length} of ${sources} sources unreachable (${names.join(", ")}).`;
}

function range(count) {
  const { first } = state().pages[state().page];
  if (!count) return "No models";
  // With a cursor in the URL, the number of models before it is unknown.
  if (queryInUrl().has("cursor")) return `Models: ${count}`;
  return count === 1 ? `Model ${first + 1}` : `Models ${first + 1} to ${first + count}`;
}

function row(model) {
  const filled = element("row").content.cloneNode(true);
  const set = (selector, text) => Object.assign(filled.querySelector(selector), { textContent: text ?? "–" });
  set(".name", model.modelName);
  const [account, region] = model.source.split("/");
  set(".account", `${account}/`);
  set(".region", region);
  set(".arn", model.modelArn);
  set(".status", model.modelStatus).dataset.status = model.modelStatus;
  set(".customization", model.customizationType);
  set(".base-name", model.baseModelName);
  set(".base-arn", model.baseModelArn);
  // Shown to the second; the tooltip has the full value.
  const created = set("time", model.creationTime.replace("T", " ").slice(0, 19));
  created.dateTime = created.title = model.creationTime;
  set(".owner", model.ownerAccountId);
  return filled;
}

function showEmpty(empty, ...listed) {
  element("empty").hidden = !empty;
  const [title, text] = whyEmpty(...listed);
  element("empty").querySelector("h2").textContent = title;
  element("empty").querySelector("p").textContent = text;
}

function whyEmpty(params, nextCursor, { sources, unreachable }) {
  if (nextCursor) return ["No models on this page", "More pages follow: Bedrock can return an empty page before the last one."];
  if (unreachable.length) return ["No models listed", "The unreachable sources may have models."];
  if (params.has("cursor")) return ["No more models", "The previous page was the last one with models."];
  const filters = [...params.keys()].filter((name) => !NOT_FILTERS.includes(name));
  if (filters.length) return ["No models match", "Remove a filter, or clear all filters."];
  return ["No custom models", sources > 1 ? "No source has custom models." : "This account has no custom models in this region."];
}

const NOT_FILTERS = ["maxItems", "pageSize", "sortBy", "sortOrder", "allowPartial"];

function showPager(more) {
  element("back").disabled = state().page === 0;
  element("next").disabled = !more;
  element("created").ariaSort = { Ascending: "ascending", Descending: "descending" }[query().get("sortOrder")] ?? "none";
}

/** Runs a change. If it disables or hides the focused button, moves the focus to the models, not to the page's top. */
function keepFocus(change) {
  const pressed = document.activeElement;
  change();
  const moved = ![pressed, document.body].includes(document.activeElement);
  if (!moved && (pressed.disabled || !pressed.checkVisibility())) element("models").focus({ preventScroll: true });
}

function suggestBaseModels(models) {
  const options = new Map([...element("base-models").children].map((option) => [option.value, option]));
  for (const { baseModelArn: arn, baseModelName: name } of models) options.set(arn, new Option(name, arn));
  element("base-models").replaceChildren(...options.values());
}

// --- Problems ----------------------------------------------------------------------------------

function showProblem({ type, title, detail, errors = [], requestId, source }, retryAfter) {
  if (!title || !detail) throw new SyntaxError("not a problem document of this API");
  element("scroller").hidden = element("empty").hidden = true;
  for (const { parameter, message } of errors) showError(parameter, message);
  const problem = element("problem");
  problem.querySelector("h2").textContent = title;
  problem.querySelector(".detail").textContent = errors.length ? "" : detail + sourceHint(source) + retryHint(retryAfter);
  problem.querySelector("ul").replaceChildren(...errors.map(({ parameter, message }) => item(`${parameter} ${message}`)));
  problem.querySelector(".small").textContent = [type, requestId && `request ID ${requestId}`].filter(Boolean).join(" · ");
  const isAboutCursor = /cursor/.test(type) || errors.some(({ parameter }) => parameter === "cursor");
  element("again").hidden = isAboutCursor || errors.length > 0;
  element("restart").hidden = !isAboutCursor;
  problem.hidden = false;
  announce("");
  showPager(false);
  // Do not move the focus if the user has moved it in the meantime.
  if ([wait.focused, document.body].includes(document.activeElement)) document.querySelector("[aria-invalid=true]")?.focus();
}

const retryHint = (seconds) => (/^\d+$/.test(seconds) ? ` Try again in ${seconds} s.` : "");
const sourceHint = (source) => (source ? ` Source: ${source}.` : "");
const item = (text) => Object.assign(document.createElement("li"), { textContent: text });

/** Shows a message next to the parameter's field, if the form has one. */
function showError(name, message) {
  const field = fieldOf(name);
  if (!field) return;
  element(`${name}-error`).textContent = `${name} ${message}`;
  field.ariaInvalid = "true";
  element("filters").open = true;
}

function clearErrors() {
  element("problem").hidden = true;
  for (const error of document.querySelectorAll(".error")) error.textContent = "";
  for (const field of element("form").elements) field.ariaInvalid = null;
}

// --- The form ----------------------------------------------------------------------------------

const fieldOf = (name) => element("form").elements.namedItem(name);

/** Makes a field for each parameter in the OpenAPI document, except the cursor: the page buttons set it. */
async function makeForm() {
  const response = await fetch("/v1/openapi.json");
  if (!response.ok) throw new SyntaxError("no OpenAPI document");
  const openapi = await response.json();
  for (const parameter of openapi.paths["/custom-models"].get.parameters) {
    if (parameter.in === "query" && parameter.name !== "cursor") parameters.set(parameter.name, parameter);
  }
  element("fields").replaceChildren(...[...parameters.values()].map(makeField));
  element("form").hidden = false;
}

function makeField({ name, description, schema }) {
  const made = element("field").content.cloneNode(true);
  const [label, error, hint] = made.querySelectorAll("label, .error, .hint");
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const control = choices ? makeSelect(name, choices) : makeInput(name, schema);
  control.name = control.id = label.htmlFor = name;
  label.textContent = LABELS[name] ?? words(name);
  hint.textContent = description;
  hint.id = `${name}-hint`;
  error.id = `${name}-error`;
  control.setAttribute("aria-describedby", `${error.id} ${hint.id}`);
  label.after(control);
  return made;
}

const LABELS = { maxItems: "Models per page", pageSize: "Models per Bedrock call" };

/** Returns a parameter's name as words, such as "Base model ARN equals". */
function words(name) {
  const text = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replace(" arn ", " ARN ");
  return text[0].toUpperCase() + text.slice(1);
}

function makeSelect(name, choices) {
  const select = document.createElement("select");
  select.append(new Option(name.startsWith("sort") ? "default" : "any", ""), ...choices.map((choice) => new Option(choice)));
  return select;
}

/** Makes a text input for every type, so that the API itself validates what the user enters. */
function makeInput(name, schema) {
  const input = Object.assign(document.createElement("input"), { type: "text", autocomplete: "off", spellcheck: false });
  if (schema.type === "integer") input.inputMode = "numeric";
  if (schema.default) input.placeholder = schema.default;
  if (schema.type === "array") input.placeholder = "comma-separated";
  if (schema.format === "date-time") input.placeholder = "2026-01-31T00:00:00Z";
  const suggestions = schema.format === "date-time" ? "times" : /ModelArn/.test(name) && "base-models";
  if (suggestions) input.setAttribute("list", suggestions);
  return input;
}

function suggestTimes() {
  const hours = { "an hour ago": 1, "a day ago": 24, "a week ago": 168, "30 days ago": 720, "a year ago": 8_760 };
  for (const [label, count] of Object.entries(hours)) {
    const time = new Date(Date.now() - count * 3_600_000).toISOString().replace(/\.\d+/, "");
    element("times").append(new Option(label, time));
  }
}

function fillForm() {
  const params = queryInUrl();
  for (const name of parameters.keys()) {
    const [field, value] = [fieldOf(name), params.get(name) ?? ""];
    field.value = value;
    // Add a value that is not in the list, so that it stays in the next request.
    if (field.options && field.value !== value) field.add(new Option(value, value, true, true));
  }
}

function submit() {
  const filled = [...new FormData(element("form"))].filter(([, value]) => value !== "");
  openQuery(filled.length ? `?${new URLSearchParams(filled)}` : "");
}

function sort() {
  const order = queryInUrl().get("sortOrder") === "Descending" ? "Ascending" : "Descending";
  restart({ sortBy: "CreationTime", sortOrder: order });
}

// --- The request to copy -----------------------------------------------------------------------

const formats = {
  curl: (params) => `curl '${location.origin}${LISTING}?${params}'`,
  python: (params) =>
    [
      "import json",
      "from urllib.parse import urlencode",
      "from urllib.request import urlopen",
      "",
      "parameters = [",
      ...[...params].map(([name, value]) => `    (${JSON.stringify(name)}, ${JSON.stringify(value)}),`),
      "]",
      `with urlopen("${location.origin}${LISTING}?" + urlencode(parameters)) as response:`,
      "    listing = json.load(response)",
      'print(listing["modelSummaries"], listing.get("nextCursor"))',
    ].join("\n"),
  stepFunctions: (params) => JSON.stringify(stateMachine(params), null, 2),
};

function stateMachine(params) {
  // Without the cursor, which is signed with this machine's key, and without unknown parameters from the URL.
  const known = [...params].filter(([name]) => parameters.has(name));
  const payload = Object.fromEntries(known.map(([name, value]) => [name, typed(name, value)]));
  return {
    StartAt: "ListModels",
    States: {
      ListModels: {
        Type: "Task",
        Resource: "arn:aws:states:::lambda:invoke",
        Parameters: { FunctionName: "ALIAS_ARN", Payload: payload },
        OutputPath: "$.Payload",
        Retry: [{ ErrorEquals: ["UpstreamThrottled", "UpstreamUnavailable"], IntervalSeconds: 5, BackoffRate: 2 }],
        End: true,
      },
    },
  };
}

/** Converts a value to the parameter's JSON type; returns it unchanged if it does not fit the type. */
function typed(name, value) {
  const { type } = parameters.get(name).schema;
  if (type === "integer" && /^\d+$/.test(value)) return Number(value);
  if (type === "boolean" && /^(true|false)$/.test(value)) return value === "true";
  return type === "array" ? value.split(",") : value;
}

function showQuery(params) {
  const as = document.querySelector("[name=as]:checked").value;
  element("code").textContent = formats[as](params);
  element("copied").textContent = "";
}

async function copy() {
  try {
    await navigator.clipboard.writeText(element("code").textContent);
    element("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(element("code"));
    element("copied").textContent = "Selected. Copy it with the keyboard.";
  }
}

// --- Start -------------------------------------------------------------------------------------

function listen() {
  element("form").addEventListener("submit", (event) => (event.preventDefault(), submit()));
  element("form").addEventListener("reset", () => setTimeout(openQuery, 0, ""));
  element("sort").addEventListener("click", sort);
  element("back").addEventListener("click", () => turnPage(-1));
  element("next").addEventListener("click", () => turnPage(1));
  element("again").addEventListener("click", begin);
  element("restart").addEventListener("click", () => restart());
  element("stop").addEventListener("click", () => wait.controller.abort());
  element("copy").addEventListener("click", copy);
  for (const radio of document.querySelectorAll("[name=as]")) radio.addEventListener("change", () => showQuery(query()));
  addEventListener("popstate", load);
  // Focus without following the link: that would add an entry to the history of pages.
  element("skip").addEventListener("click", (event) => (event.preventDefault(), element("models").focus()));
  // A wide window hides the summary that opens the filters, so open them.
  wide.addEventListener("change", () => (element("filters").open ||= wide.matches));
}

async function start() {
  element("filters").open = wide.matches;
  suggestTimes();
  listen();
  await begin();
}

/** Makes the form if it does not exist yet, and loads the models. */
async function begin() {
  try {
    if (element("form").hidden) await makeForm();
  } catch (error) {
    return showProblem(failure(error));
  }
  await load();
}

await start();
