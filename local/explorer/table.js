// The models of a page, and how complete the listing is. Text from models is never inserted as HTML.

import { INVENTORY, query, queryInUrl, state } from "./query.js";

const element = (id) => document.getElementById(id);
const MAX_NAMES = 5; // how many sources of a kind are named before the user asks for all

/** Shows the column of sources only if there are several. */
export function showColumns() {
  const hidden = INVENTORY.length < 2;
  element("source").hidden = element("row").content.querySelector(".source").hidden = hidden;
}

/** Shows a page of models, and returns a sentence about it. */
export function showModels({ modelSummaries: models, nextCursor, coverage }, params) {
  element("rows").replaceChildren(...models.map(row));
  element("listing").hidden = !models.length;
  showEmpty(!models.length, params, nextCursor, coverage);
  showOrder(coverage);
  showCoverage(coverage, nextCursor);
  return `${range(models.length)}; ${nextCursor ? "more pages follow" : "last page"}.`;
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
  set(".status", model.modelStatus).dataset.status = model.modelStatus;
  set(".customization", model.customizationType);
  // Shown to the second; the tooltip has the full value.
  const created = set("time", model.creationTime.replace("T", " ").slice(0, 19));
  created.dateTime = created.title = model.creationTime;
  const [account, region] = model.source.split("/");
  set(".account", `${account}/`);
  set(".region", region);
  set(".base-name", model.baseModelName);
  setArn(filled.querySelector(".base .arn"), model.baseModelArn, `ARN of the base model of ${model.modelName}`);
  setArn(filled.querySelector(".model-arn .arn"), model.modelArn, `ARN of ${model.modelName}`);
  set(".owner", model.ownerAccountId);
  return filled;
}

/** The text is the whole ARN; the style sheet cuts off its beginning, and shows the second copy on hover and focus. */
function setArn(arn, text, name) {
  arn.querySelector("bdi").textContent = arn.querySelector(".tip").textContent = text;
  arn.querySelector("button").ariaLabel = `Copy the ${name}`;
}

/** Shows the order. Several sources cannot be sorted: the API refuses it. */
function showOrder({ sources }) {
  const several = sources > 1;
  element("sort").ariaDisabled = String(several);
  element("sort").setAttribute("aria-describedby", several ? "sort-tip" : "");
  element("sort-tip").hidden = !several;
  element("created").ariaSort = { Ascending: "ascending", Descending: "descending" }[query().get("sortOrder")] ?? "none";
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

// --- Coverage ----------------------------------------------------------------------------------

/** Returns a sentence that names the sources that could not be listed so far; empty if there are none. */
export function missingSources({ unreachable, sources }) {
  if (!unreachable.length) return "";
  const names = unreachable.slice(0, MAX_NAMES).map(({ source }) => source);
  if (unreachable.length > MAX_NAMES) names.push(`${unreachable.length - MAX_NAMES} more`);
  return `Incomplete: ${unreachable.length} of ${sources} sources unreachable (${names.join(", ")}).`;
}

/** The sources that are done: listed to their end, or given up. */
export const finishedSources = ({ listed, unreachable }) => listed + unreachable.length;

function showCoverage(coverage, nextCursor) {
  const { sources, listed, notOffered, unreachable } = coverage;
  const shares = {
    listed: listed - notOffered.length,
    "not offered": notOffered.length,
    unreachable: unreachable.length,
    "still to come": sources - finishedSources(coverage),
  };
  const shown = Object.entries(shares).filter(([, count]) => count);
  element("shares").replaceChildren(...shown.map(([kind, count]) => share(kind, count)));
  element("legend").replaceChildren(...shown.map(([kind, count]) => legend(kind, count)));
  const result = coverage.complete ? "Complete" : nextCursor ? "So far" : "Incomplete";
  element("coverage-title").textContent = `${result}: ${sources} ${sources === 1 ? "source" : "sources"}`;
  element("missing").replaceChildren(...missing(coverage));
  element("coverage").hidden = sources < 2 && !unreachable.length;
}

function share(kind, count) {
  const part = document.createElement("span");
  part.dataset.kind = kind;
  part.style.flexGrow = count;
  return part;
}

function legend(kind, count) {
  const item = document.createElement("li");
  item.dataset.kind = kind;
  item.textContent = `${count} ${kind}`;
  return item;
}

/** Names the sources without models: those that failed, by the kind of their problem, and those without the operation. */
function missing({ notOffered, unreachable }) {
  const lines = Map.groupBy(unreachable, ({ problem }) => `Unreachable (${problem})`);
  if (notOffered.length) lines.set("Not offered (no custom models in this region)", notOffered.map((source) => ({ source })));
  return [...lines].map(([title, sources]) => names(title, sources.map(({ source }) => source)));
}

function names(title, sources) {
  const line = document.createElement(sources.length > MAX_NAMES ? "details" : "p");
  const label = document.createElement(sources.length > MAX_NAMES ? "summary" : "b");
  label.textContent = sources.length > MAX_NAMES ? `${title}: ${sources.length} sources` : `${title}: `;
  line.append(label, sources.join(", "));
  return line;
}
