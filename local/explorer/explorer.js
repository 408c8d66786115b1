// A form made of the API's own description, a table of what it answers, and the request to copy.
//
// The page's address holds what is asked, and so does the history: its state has the pages seen so
// far, each by its cursor and by how many models come before it. Whatever a model or an error says
// is set as text and never as markup.

const LISTING = "/v1/custom-models";
const SLOW = 3_000; // milliseconds after which waiting is explained

const element = (id) => document.getElementById(id);
const wide = matchMedia("(min-width: 60rem)");
const wait = { controller: null, timer: 0, focused: null };
const parameters = new Map(); // the OpenAPI document's, by name

// --- What is asked -----------------------------------------------------------------------------

const FIRST_PAGE = { pages: [{ cursor: null, first: 0 }], page: 0 };

const state = () => history.state ?? FIRST_PAGE;

/** What the address asks, with a cursor of its own if it has one. */
const address = () => new URLSearchParams(location.search);

function query() {
  const asked = address();
  const { cursor } = state().pages[state().page];
  if (cursor) asked.set("cursor", cursor);
  return asked;
}

/** Asks for the first page of something else. */
function ask(search) {
  history.pushState(FIRST_PAGE, "", search || location.pathname);
  load();
}

/** Asks for the first page of what the address asks, with other parameters where they are given. */
function restart(changed = {}) {
  const asked = address();
  asked.delete("cursor");
  for (const [name, value] of Object.entries(changed)) asked.set(name, value);
  ask(`?${asked}`);
}

function turn(by) {
  const { pages, page } = state();
  if (!pages[page + by]) return; // pressed twice: where the next page starts is not known yet
  history.pushState({ pages, page: page + by }, "");
  if (element("models").getBoundingClientRect().top < 0) element("models").scrollIntoView();
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
  wait.focused = document.activeElement;
  fillForm();
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
      element("answered").textContent = `Answered ${response.status} in ${time} ms, request id ${id ?? "unknown"}`;
      if (response.ok) showListing(body, asked);
      else showProblem(body, response.headers.get("Retry-After"));
    };
  } catch (error) {
    show = () => showProblem(failure(error));
  }
  // A later request may have taken over in the meantime.
  if (wait.controller !== controller) return;
  keepFocus(() => {
    stopWaiting();
    try {
      show();
    } catch {
      showProblem(failure(new SyntaxError("members are missing")));
    }
  });
}

function failure(error) {
  if (error.name === "AbortError") return { title: "Stopped", detail: "You stopped waiting for the answer." };
  if (error instanceof SyntaxError) return { title: "Not an answer of this API", detail: "Something else answered in its place." };
  return { title: "The API does not answer", detail: "Is make run still running?" };
}

function startWaiting() {
  const started = Date.now();
  element("table").ariaBusy = "true";
  element("answered").textContent = "";
  keepFocus(clearErrors);
  say("");
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
  element("rows").replaceChildren(...models.map(row));
  remember(nextCursor, models.length);
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
  if (address().has("cursor")) return `Models: ${count}`;
  return count === 1 ? `Model ${first + 1}` : `Models ${first + 1} to ${first + count}`;
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
  const [title, text] = whyEmpty(asked, nextCursor);
  element("empty").querySelector("h2").textContent = title;
  element("empty").querySelector("p").textContent = text;
}

function whyEmpty(asked, nextCursor) {
  if (nextCursor) return ["No models on this page", "The listing goes on: an empty page may have one after it."];
  if (asked.has("cursor")) return ["No more models", "The listing ended with the page before."];
  const filters = [...asked.keys()].filter((name) => !["maxItems", "pageSize", "sortBy", "sortOrder"].includes(name));
  if (filters.length) return ["No models match", "Take away a filter, or clear them all."];
  return ["No custom models", "This account has none in this region."];
}

function showPager(more) {
  element("back").disabled = state().page === 0;
  element("next").disabled = !more;
  element("created").ariaSort = { Ascending: "ascending", Descending: "descending" }[query().get("sortOrder")] ?? "none";
}

/** Makes a change; who pressed a button that it disables or hides is not thrown back to the top of the page. */
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

function showProblem({ type, title, detail, errors = [], requestId }, retryAfter) {
  if (!title || !detail) throw new SyntaxError("not a problem of this API");
  element("scroller").hidden = element("empty").hidden = true;
  for (const { parameter, message } of errors) showError(parameter, message);
  const problem = element("problem");
  problem.querySelector("h2").textContent = title;
  problem.querySelector(".detail").textContent = errors.length ? "" : detail + later(retryAfter);
  problem.querySelector("ul").replaceChildren(...errors.map(({ parameter, message }) => item(`${parameter} ${message}`)));
  problem.querySelector(".small").textContent = [type, requestId && `request id ${requestId}`].filter(Boolean).join(" · ");
  const ofCursor = /cursor/.test(type) || errors.some(({ parameter }) => parameter === "cursor");
  element("again").hidden = ofCursor || errors.length > 0;
  element("restart").hidden = !ofCursor;
  problem.hidden = false;
  say("");
  showPager(false);
  // Not away from where somebody is writing by now.
  if ([wait.focused, document.body].includes(document.activeElement)) document.querySelector("[aria-invalid=true]")?.focus();
}

const later = (seconds) => (/^\d+$/.test(seconds) ? ` Try again in ${seconds} s.` : "");
const item = (text) => Object.assign(document.createElement("li"), { textContent: text });

/** Shows a message beside the field of a parameter, if there is one. */
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

/** Makes a field of each parameter that the API describes; the cursor is the pager's. */
async function makeForm() {
  const response = await fetch("/v1/openapi.json");
  if (!response.ok) throw new SyntaxError("no description");
  const description = await response.json();
  for (const parameter of description.paths["/custom-models"].get.parameters) {
    if (parameter.name !== "cursor") parameters.set(parameter.name, parameter);
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

const LABELS = { maxItems: "Models per page", pageSize: "Models per call of Bedrock" };

/** Returns a parameter's name as words: "Base model ARN equals". */
function words(name) {
  const text = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replace(" arn ", " ARN ");
  return text[0].toUpperCase() + text.slice(1);
}

function makeSelect(name, choices) {
  const select = document.createElement("select");
  select.append(new Option(name.startsWith("sort") ? "default" : "any", ""), ...choices.map((choice) => new Option(choice)));
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
  const asked = address();
  for (const name of parameters.keys()) {
    const [field, value] = [fieldOf(name), asked.get(name) ?? ""];
    field.value = value;
    // What an address asks for and no choice has: it is shown, and so not lost with the next request.
    if (field.options && field.value !== value) field.add(new Option(value, value, true, true));
  }
}

function submit() {
  const filled = [...new FormData(element("form"))].filter(([, value]) => value !== "");
  ask(filled.length ? `?${new URLSearchParams(filled)}` : "");
}

function sort() {
  const order = address().get("sortOrder") === "Descending" ? "Ascending" : "Descending";
  restart({ sortBy: "CreationTime", sortOrder: order });
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
  // Without the cursor, which is signed with this machine's key; nor anything that an address made up.
  const known = [...asked].filter(([name]) => parameters.has(name));
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

/** Returns a parameter's value with its JSON type, where it has the form of one. */
function typed(name, value) {
  const { type } = parameters.get(name).schema;
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
  element("form").addEventListener("reset", () => setTimeout(ask, 0, ""));
  element("sort").addEventListener("click", sort);
  element("back").addEventListener("click", () => turn(-1));
  element("next").addEventListener("click", () => turn(1));
  element("again").addEventListener("click", begin);
  element("restart").addEventListener("click", () => restart());
  element("stop").addEventListener("click", () => wait.controller.abort());
  element("copy").addEventListener("click", copy);
  for (const radio of document.querySelectorAll("[name=as]")) radio.addEventListener("change", () => showQuery(query()));
  addEventListener("popstate", load);
  // Not by the address, whose history is that of the pages.
  element("skip").addEventListener("click", (event) => (event.preventDefault(), element("models").focus()));
  // Where it is wide, nothing is there to open them by.
  wide.addEventListener("change", () => (element("filters").open ||= wide.matches));
}

async function start() {
  element("filters").open = wide.matches;
  suggestTimes();
  listen();
  await begin();
}

/** Makes the form, unless that is done, and asks. */
async function begin() {
  try {
    if (element("form").hidden) await makeForm();
  } catch (error) {
    return showProblem(failure(error));
  }
  await load();
}

await start();
