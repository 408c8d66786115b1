// A form made of the API's own description, a table of what it answers, and the request to copy.
//
// The page's address holds what is asked, and so does the history: its state has the pages seen so
// far, each by its cursor and by how many models come before it. Whatever a model or an error says
// is set as text and never as markup.

const LISTING = "/v1/custom-models";
const AT_FIRST = "?maxItems=20";
const SLOW = 3_000; // milliseconds after which waiting is explained

const element = (id) => document.getElementById(id);
const wait = { controller: null, timer: 0 };
let parameters = {}; // the OpenAPI document's, by name

// --- What is asked -----------------------------------------------------------------------------

const FIRST_PAGE = { pages: [{ cursor: null, first: 0 }], page: 0 };

const state = () => history.state ?? FIRST_PAGE;

function query() {
  const asked = new URLSearchParams(location.search);
  const { cursor } = state().pages[state().page];
  if (cursor) asked.set("cursor", cursor);
  return asked;
}

/** Asks for the first page of something else. */
function ask(search) {
  history.pushState(FIRST_PAGE, "", search || location.pathname);
  fillForm();
  load();
}

function restart() {
  const asked = new URLSearchParams(location.search);
  asked.delete("cursor");
  ask(`?${asked}`);
}

function turn(by) {
  const { pages, page } = state();
  history.pushState({ pages, page: page + by }, "");
  load();
}

/** Remembers where the next page starts; what had been seen behind it may be another listing's. */
function remember(next, count) {
  const { pages, page } = state();
  const seen = pages.slice(0, page + 1);
  if (next) seen.push({ cursor: next, first: pages[page].first + count });
  history.replaceState({ pages: seen, page }, "");
}

// --- Asking ------------------------------------------------------------------------------------

async function load() {
  wait.controller?.abort();
  const controller = new AbortController();
  wait.controller = controller;
  const asked = query();
  showQuery(asked);
  startWaiting();
  let show;
  try {
    const started = performance.now();
    const response = await fetch(`${LISTING}?${asked}`, { signal: controller.signal, cache: "no-store" });
    const body = await response.json();
    const time = Math.round(performance.now() - started);
    show = () => {
      const id = response.headers.get("X-Request-Id");
      element("answered").textContent = `Answered ${response.status} in ${time} ms, request id ${id}`;
      if (response.ok) showListing(body, asked);
      else showProblem(body, response.headers.get("Retry-After"));
    };
  } catch (error) {
    show = () => showProblem(failure(error));
  }
  // A later request may have taken over in the meantime.
  if (wait.controller !== controller) return;
  stopWaiting();
  show();
}

function failure(error) {
  if (error.name === "AbortError") return { title: "Stopped", detail: "You stopped waiting for the answer." };
  if (error instanceof SyntaxError) return { title: "No answer of the API", detail: "What came is not JSON." };
  return { title: "The API does not answer", detail: "Is make run still running?" };
}

function startWaiting() {
  const started = Date.now();
  element("table").ariaBusy = "true";
  element("answered").textContent = "";
  clearInterval(wait.timer);
  wait.timer = setInterval(() => {
    const slow = Date.now() - started > SLOW;
    element("progress").hidden = false;
    element("stop").hidden = !slow;
    say(slow ? "Still waiting: Bedrock is slow, and the API gives it up to 21 seconds." : "Asking Bedrock …");
  }, 200);
}

function stopWaiting() {
  clearInterval(wait.timer);
  element("table").ariaBusy = "false";
  element("progress").hidden = element("stop").hidden = true;
}

/** Announces something, once: a screen reader repeats what is set again. */
function say(text) {
  if (element("status").textContent !== text) element("status").textContent = text;
}

// --- What is answered --------------------------------------------------------------------------

function showListing({ modelSummaries: models, nextCursor }, asked) {
  remember(nextCursor, models.length);
  clearErrors();
  element("rows").replaceChildren(...models.map(row));
  element("scroller").hidden = !models.length;
  suggestBaseModels(models);
  showEmpty(!models.length, asked, nextCursor);
  showPager(Boolean(nextCursor));
  say(`${range(models.length)}; ${nextCursor ? "more follow" : "the listing ends here"}.`);
}

function range(count) {
  const { first } = state().pages[state().page];
  if (!count) return "No models";
  // An address with a cursor starts nobody knows where.
  if (new URLSearchParams(location.search).has("cursor")) return `${count} models`;
  return `Models ${first + 1} to ${first + count}`;
}

function row(model) {
  const filled = element("row").content.cloneNode(true);
  const set = (selector, text) => Object.assign(filled.querySelector(selector), { textContent: text ?? "–" });
  set(".name", model.modelName);
  set(".arn", model.modelArn);
  set(".status", model.modelStatus).dataset.status = model.modelStatus;
  set(".customization", model.customizationType);
  set(".base-name", model.baseModelName);
  set(".base-arn", model.baseModelArn);
  // To the second; the rest of it is in the tooltip.
  const created = set("time", model.creationTime.replace("T", " ").slice(0, 19));
  created.dateTime = created.title = model.creationTime;
  set(".owner", model.ownerAccountId);
  return filled;
}

function showEmpty(empty, asked, nextCursor) {
  element("empty").hidden = !empty;
  const filtered = [...asked.keys()].some((name) => !["maxItems", "pageSize", "sortBy", "sortOrder"].includes(name));
  const [title, text] = nextCursor
    ? ["No models on this page", "The listing goes on: Bedrock may give an empty page and still have more. See the next one."]
    : filtered
      ? ["No models match", "Take away a filter, or clear them all."]
      : ["No custom models", "This account has none in this region."];
  element("empty").querySelector("h2").textContent = title;
  element("empty").querySelector("p").textContent = text;
}

function showPager(more) {
  const pressed = document.activeElement;
  element("back").disabled = state().page === 0;
  element("next").disabled = !more;
  element("created").ariaSort = { Ascending: "ascending", Descending: "descending" }[fieldOf("sortOrder")?.value] ?? "none";
  // Who pressed a button that is disabled now must not be thrown back to the top of the page.
  if (pressed.disabled) element("models").focus({ preventScroll: true });
}

function suggestBaseModels(models) {
  const options = new Map([...element("base-models").children].map((option) => [option.value, option]));
  for (const { baseModelArn: arn, baseModelName: name } of models) options.set(arn, new Option(name, arn));
  element("base-models").replaceChildren(...options.values());
}

// --- Problems ----------------------------------------------------------------------------------

function showProblem({ type, title, detail, errors = [], requestId }, retryAfter) {
  clearErrors();
  element("scroller").hidden = element("empty").hidden = true;
  const elsewhere = errors.filter(({ parameter, message }) => !showError(parameter, message));
  const problem = element("problem");
  problem.querySelector("h2").textContent = title;
  problem.querySelector(".detail").textContent = errors.length ? "" : detail + later(retryAfter);
  problem.querySelector("ul").replaceChildren(...elsewhere.map(({ parameter, message }) => item(`${parameter} ${message}`)));
  problem.querySelector(".small").textContent = [type, requestId && `request id ${requestId}`].filter(Boolean).join(" · ");
  element("again").hidden = /cursor$/.test(type) || errors.length > 0;
  element("restart").hidden = !/cursor/.test(type);
  problem.hidden = false;
  say("");
  showPager(false);
  document.querySelector("[aria-invalid=true]")?.focus();
}

const later = (seconds) => (seconds ? ` Try again in ${seconds} seconds.` : "");
const item = (text) => Object.assign(document.createElement("li"), { textContent: text });

/** Shows a message beside the field of a parameter; returns whether there is one. */
function showError(name, message) {
  const field = fieldOf(name);
  if (!field) return false;
  element(`${name}-error`).textContent = `${name} ${message}`;
  field.ariaInvalid = "true";
  element("filters").open = true;
  return true;
}

function clearErrors() {
  element("problem").hidden = true;
  for (const error of document.querySelectorAll(".error")) error.textContent = "";
  for (const field of element("form").elements) field.ariaInvalid = null;
}

// --- The form ----------------------------------------------------------------------------------

const fieldOf = (name) => element("form").elements.namedItem(name);

/** Makes a field of each parameter that the API describes; the cursor is the pager's. */
async function makeForm() {
  const description = await (await fetch("/v1/openapi.json")).json();
  const described = description.paths["/custom-models"].get.parameters.filter(({ name }) => name !== "cursor");
  parameters = Object.fromEntries(described.map((parameter) => [parameter.name, parameter]));
  element("fields").replaceChildren(...described.map(makeField));
}

function makeField({ name, description, schema }) {
  const made = element("field").content.cloneNode(true);
  const [label, error, hint] = made.querySelectorAll("label, .error, .hint");
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const control = choices ? makeSelect(choices) : makeInput(name, schema);
  control.name = control.id = label.htmlFor = name;
  label.textContent = words(name);
  hint.textContent = description;
  hint.id = `${name}-hint`;
  error.id = `${name}-error`;
  control.setAttribute("aria-describedby", `${error.id} ${hint.id}`);
  label.after(control);
  return made;
}

/** Returns a parameter's name as words: "Base model ARN equals". */
function words(name) {
  const text = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replace(" arn ", " ARN ");
  return text[0].toUpperCase() + text.slice(1);
}

function makeSelect(choices) {
  const select = document.createElement("select");
  select.append(new Option("any", ""), ...choices.map((choice) => new Option(choice)));
  return select;
}

/** Makes a text input of every kind, so that the API itself sees and judges whatever is written. */
function makeInput(name, schema) {
  const input = Object.assign(document.createElement("input"), { type: "text", autocomplete: "off", spellcheck: false });
  if (schema.type === "integer") input.inputMode = "numeric";
  if (schema.default) input.placeholder = schema.default;
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
  const asked = new URLSearchParams(location.search);
  for (const name in parameters) fieldOf(name).value = asked.get(name) ?? "";
}

function submit() {
  const filled = [...new FormData(element("form"))].filter(([, value]) => value !== "");
  ask(filled.length ? `?${new URLSearchParams(filled)}` : "");
}

function sort() {
  fieldOf("sortBy").value = "CreationTime";
  fieldOf("sortOrder").value = element("created").ariaSort === "descending" ? "Ascending" : "Descending";
  submit();
}

// --- The request to copy -----------------------------------------------------------------------

const written = {
  curl: (asked) => `curl '${location.origin}${LISTING}?${asked}'`,
  python: (asked) =>
    [
      "import json",
      "from urllib.parse import urlencode",
      "from urllib.request import urlopen",
      "",
      "parameters = [",
      ...[...asked].map(([name, value]) => `    (${JSON.stringify(name)}, ${JSON.stringify(value)}),`),
      "]",
      `with urlopen("${location.origin}${LISTING}?" + urlencode(parameters)) as answer:`,
      "    listing = json.load(answer)",
      'print(listing["modelSummaries"], listing.get("nextCursor"))',
    ].join("\n"),
  stepFunctions: (asked) => JSON.stringify(stateMachine(asked), null, 2),
};

function stateMachine(asked) {
  const payload = Object.fromEntries([...asked].map(([name, value]) => [name, typed(name, value)]));
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

/** Returns a parameter's value with its JSON type, where it has the form of one. */
function typed(name, value) {
  const type = parameters[name]?.schema.type;
  if (type === "integer" && /^\d+$/.test(value)) return Number(value);
  if (type === "boolean" && /^(true|false)$/.test(value)) return value === "true";
  return value;
}

function showQuery(asked) {
  const as = document.querySelector("[name=as]:checked").value;
  element("code").textContent = written[as](asked);
  element("copied").textContent = "";
}

async function copy() {
  try {
    await navigator.clipboard.writeText(element("code").textContent);
    element("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(element("code"));
    element("copied").textContent = "Selected: copy it by the keyboard.";
  }
}

// --- The start ---------------------------------------------------------------------------------

function listen() {
  element("form").addEventListener("submit", (event) => (event.preventDefault(), submit()));
  element("form").addEventListener("reset", () => setTimeout(ask, 0, AT_FIRST));
  element("sort").addEventListener("click", sort);
  element("back").addEventListener("click", () => turn(-1));
  element("next").addEventListener("click", () => turn(1));
  element("again").addEventListener("click", load);
  element("restart").addEventListener("click", restart);
  element("stop").addEventListener("click", () => wait.controller.abort());
  element("copy").addEventListener("click", copy);
  for (const radio of document.querySelectorAll("[name=as]")) radio.addEventListener("change", () => showQuery(query()));
  addEventListener("popstate", () => (fillForm(), load()));
}

async function start() {
  element("filters").open = matchMedia("(min-width: 60rem)").matches;
  if (!location.search && !history.state) history.replaceState(FIRST_PAGE, "", AT_FIRST);
  suggestTimes();
  listen();
  try {
    await makeForm();
  } catch (error) {
    return showProblem(failure(error));
  }
  fillForm();
  await load();
}

await start();
