// The explorer: a form built from the API's OpenAPI document, a table of models, and the request as code to copy.
//
// This module loads pages, and shows them or what went wrong. The others: query.js has the URL and the requests,
// form.js the form, table.js the models and the coverage, request.js the code to copy, download.js the files.

import { listenToDownloads, showDownloads } from "./download.js";
import { clearErrors, fillForm, makeForm, queryInForm, showError, suggestBaseModels, suggestTimes } from "./form.js";
import { FIRST_PAGE, advice, failure, firstQuery, pageUrl, query, queryInUrl, rememberNextPage, requestPage, state } from "./query.js";
import { listenToRequest, showRequest } from "./request.js";
import { missingSources, showColumns, showModels } from "./table.js";

const SLOW = 3_000; // milliseconds until the page explains why it is still waiting

const element = (id) => document.getElementById(id);
const wide = matchMedia("(min-width: 60rem)");
const wait = { controller: null, timer: 0, focused: null };

// --- Navigation --------------------------------------------------------------------------------

/** Opens the first page of a query. */
function openQuery(params) {
  history.pushState(FIRST_PAGE, "", pageUrl(params));
  load();
}

function turnPage(by) {
  const { pages, page } = state();
  if (!pages[page + by]) return; // clicked twice: the cursor of the next page is not known yet
  history.pushState({ pages, page: page + by }, "");
  if (element("top").getBoundingClientRect().top <= 0) element("top").scrollIntoView();
  load();
}

function sort() {
  if (element("sort").ariaDisabled === "true") return;
  const order = queryInUrl().get("sortOrder") === "Descending" ? "Ascending" : "Descending";
  openQuery(firstQuery({ sortBy: "CreationTime", sortOrder: order }));
}

// --- Loading -----------------------------------------------------------------------------------

async function load() {
  wait.controller?.abort();
  const controller = new AbortController();
  wait.controller = controller;
  const params = query();
  wait.focused = document.activeElement;
  fillForm(queryInUrl());
  showRequest();
  startWaiting();
  let show;
  try {
    const started = performance.now();
    const { ok, status, id, body, retryAfter } = await requestPage(params, controller.signal);
    const time = Math.round(performance.now() - started);
    show = () => {
      element("answered").textContent = `Response ${status} in ${time} ms, request ID ${id}`;
      if (ok) showListing(body, params);
      else showProblem(body, retryAfter);
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

function startWaiting() {
  const started = Date.now();
  element("table").ariaBusy = "true";
  element("answered").textContent = "";
  keepFocus(() => {
    clearErrors();
    element("problem").hidden = true;
  });
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
function announce(text, spoken = "") {
  const [shown, heard] = element("status").children;
  if (shown.textContent !== text) shown.textContent = text;
  if (heard.textContent !== spoken) heard.textContent = spoken;
}

function showListing(listing, params) {
  const { modelSummaries: models, nextCursor, coverage } = listing;
  const missing = missingSources(coverage);
  const shown = showModels(listing, params);
  rememberNextPage(nextCursor, models.length);
  suggestBaseModels(models);
  showPager(Boolean(nextCursor));
  showDownloads(true);
  // The names of the sources are below, in the coverage. Who cannot see that hears them at once.
  announce(shown, missing && ` ${missing}`);
}

function showPager(more) {
  element("back").disabled = state().page === 0;
  element("next").disabled = !more;
}

/** Runs a change. If it disables or hides the focused button, moves the focus to the models, not to the page's top. */
function keepFocus(change) {
  const pressed = document.activeElement;
  change();
  const moved = ![pressed, document.body].includes(document.activeElement);
  if (!moved && (pressed.disabled || !pressed.checkVisibility())) element("models").focus({ preventScroll: true });
}

// --- Problems ----------------------------------------------------------------------------------

function showProblem(problem, retryAfter = null) {
  const { type, title, errors = [], requestId } = problem;
  const detail = advice(problem) + (retryAfter === null ? "" : ` Try again in ${retryAfter} s.`);
  for (const id of ["listing", "empty", "coverage"]) element(id).hidden = true;
  for (const { parameter, message } of errors) showError(parameter, message);
  const shown = element("problem");
  shown.querySelector("h2").textContent = title;
  shown.querySelector(".detail").textContent = errors.length ? "" : detail;
  shown.querySelector("ul").replaceChildren(...errors.map(({ parameter, message }) => item(`${parameter} ${message}`)));
  shown.querySelector(".small").textContent = [type, requestId && `request ID ${requestId}`].filter(Boolean).join(" · ");
  // A button that would lead to the same errors is not offered.
  const isAboutCursor = errors.length ? errors.every(({ parameter }) => parameter === "cursor") : /cursor/.test(type);
  element("again").hidden = isAboutCursor || errors.length > 0;
  element("restart").hidden = !isAboutCursor;
  shown.hidden = false;
  announce("");
  showPager(false);
  showDownloads(!errors.length);
  // Do not move the focus if the user has moved it in the meantime.
  if ([wait.focused, document.body].includes(document.activeElement)) document.querySelector("[aria-invalid=true]")?.focus();
}

const item = (text) => Object.assign(document.createElement("li"), { textContent: text });

// --- Start -------------------------------------------------------------------------------------

function listen() {
  element("form").addEventListener("submit", (event) => (event.preventDefault(), openQuery(queryInForm())));
  element("form").addEventListener("reset", (event) => (event.preventDefault(), openQuery(new URLSearchParams())));
  element("sort").addEventListener("click", sort);
  element("back").addEventListener("click", () => turnPage(-1));
  element("next").addEventListener("click", () => turnPage(1));
  element("again").addEventListener("click", begin);
  element("restart").addEventListener("click", () => openQuery(firstQuery()));
  element("stop").addEventListener("click", () => wait.controller.abort());
  addEventListener("popstate", load);
  listenToRequest();
  listenToDownloads();
  // Focus without following the link: that would add an entry to the history of pages.
  element("skip").addEventListener("click", (event) => (event.preventDefault(), element("models").focus()));
  // A wide window hides the summary that opens the filters, so open them.
  wide.addEventListener("change", () => (element("filters").open ||= wide.matches));
}

/** Hides a tooltip when Escape is pressed, until the pointer or the focus leaves it. */
function dismissTooltips() {
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    for (const shown of document.querySelectorAll(".tipped:is(:hover, :focus-within)")) shown.classList.add("dismissed");
  });
  for (const type of ["pointerout", "focusout"]) {
    addEventListener(type, ({ target, relatedTarget }) => {
      const tipped = target.closest?.(".tipped");
      if (tipped && !tipped.contains(relatedTarget)) tipped.classList.remove("dismissed");
    });
  }
}

async function start() {
  element("filters").open = wide.matches;
  suggestTimes();
  showColumns();
  listen();
  dismissTooltips();
  await begin();
}

/** Makes the form if it does not exist yet, and loads the models. */
async function begin() {
  try {
    if (element("form").hidden) await makeForm();
  } catch (error) {
    return showProblem(failure(error));
  } finally {
    // Shown together with the form above it, which would push it down.
    element("models").hidden = false;
  }
  await load();
}

await start();
