// Downloads all pages of the listing in one file, which is made only when the last page is there.

import { modelFields } from "./form.js";
import { advice, failure, firstQuery, requestPage } from "./query.js";
import { finishedSources, missingSources } from "./table.js";

const element = (id) => document.getElementById(id);

const MODELS_PER_REQUEST = 1_000;
const MAX_WAITS = 20; // in a row

/** A problem that ends the download. */
class Problem extends Error {
  constructor({ title, ...rest }) {
    super(`${title}. ${advice({ title, ...rest })}`);
  }
}

// --- The walk ----------------------------------------------------------------------------------

/** Yields the pages of a listing, from the first one to the last. */
async function* pages(params, signal, onWait) {
  let page;
  do {
    if (page) params.set("cursor", page.nextCursor);
    page = await patiently(() => requestPage(params, signal), signal, onWait);
    if (!Array.isArray(page.modelSummaries) || !Array.isArray(page.coverage?.unreachable)) throw new SyntaxError("not a listing");
    yield page;
  } while (page.nextCursor);
}

/** Repeats a request as long as the API asks to try again later. */
async function patiently(request, signal, onWait) {
  for (let waits = 0; ; waits += 1) {
    const { ok, body, retryAfter } = await request();
    if (ok) return body;
    if (retryAfter === null || waits === MAX_WAITS) throw new Problem(body);
    onWait(`${body.title}. Continuing in ${retryAfter} s.`);
    await pause(retryAfter * 1_000, signal);
    onWait("");
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

// --- Files -------------------------------------------------------------------------------------

/** The formats: what comes before the models, each model, and what comes after them. */
const formats = {
  json: {
    type: "application/json",
    // The same object as in a response. One model in each line.
    start: () => '{"modelSummaries": [',
    models: (models, isFirst) => models.map((model, index) => `${isFirst && !index ? "" : ","}\n${JSON.stringify(model)}`).join(""),
    end: (coverage) => `\n],\n"coverage": ${JSON.stringify(coverage)}}\n`,
  },
  csv: {
    type: "text/csv;charset=utf-8",
    // RFC 4180. Without the byte order mark, Excel does not read it as UTF-8.
    start: () => `\uFEFF${line(modelFields)}`,
    models: (models) => models.map((model) => line(modelFields.map((name) => model[name] ?? ""))).join(""),
    end: () => "",
  },
};

const line = (cells) => `${cells.map(cell).join(",")}\r\n`;

/** Quotes a cell. Spreadsheets run a cell that starts like a formula, so this one starts with an apostrophe (OWASP). */
function cell(value) {
  const text = /^[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) || text !== value ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Offers a file to the user. Its name says if models are missing, because a CSV file cannot. */
function save(parts, format, { complete }) {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const name = `custom-models-${complete ? "" : "incomplete-"}${time}.${format}`;
  const url = URL.createObjectURL(new Blob(parts, { type: formats[format].type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser needs the URL until it has stored the file
  return name;
}

// --- The page ----------------------------------------------------------------------------------

let controller = null; // of the download that is running
let started = null; // the button that started the last download
let available = false;

async function download(button) {
  if (controller) return;
  started = button;
  controller = new AbortController();
  showStart(button.dataset.format);
  try {
    report(await walk(button.dataset.format, controller.signal));
  } catch (error) {
    report(`${reasonOf(error)} No file was saved.`, error.name !== "AbortError");
  }
  showEnd();
}

function reasonOf(error) {
  if (error.name === "AbortError") return "Cancelled.";
  if (error instanceof Problem) return error.message;
  const { title, detail } = failure(error);
  return `${title}. ${detail}`;
}

/** Saves all models in a file, and returns a sentence about it. */
async function walk(format, signal) {
  const { start, models, end } = formats[format];
  const parts = [start()];
  let [count, coverage] = [0, null];
  const params = firstQuery({ maxItems: MODELS_PER_REQUEST, pageSize: null });
  for await (const page of pages(params, signal, report)) {
    parts.push(models(page.modelSummaries, count === 0));
    count += page.modelSummaries.length;
    coverage = page.coverage;
    showCount(count, coverage);
  }
  const name = save([...parts, end(coverage)], format, coverage);
  return `Saved ${name}: ${count.toLocaleString("en")} models. ${missingSources(coverage)}`;
}

function showStart(format) {
  element("download").hidden = false;
  element("download-progress").hidden = false;
  element("download-progress").removeAttribute("value");
  element("download-count").textContent = "";
  element("download-end").textContent = "Cancel";
  element("download-end").focus();
  report(`Downloading all pages as ${format.toUpperCase()} …`);
  showDownloads();
}

/** Shows progress. It is not announced: a screen reader would read every page. */
function showCount(count, coverage) {
  const models = `${count.toLocaleString("en")} models so far`;
  const several = coverage.sources > 1;
  element("download-count").textContent = several ? `${models}, ${finishedSources(coverage)} of ${coverage.sources} sources` : models;
  if (several) Object.assign(element("download-progress"), { max: coverage.sources, value: finishedSources(coverage) });
}

function showEnd() {
  controller = null;
  element("download-progress").hidden = true;
  element("download-count").textContent = "";
  element("download-end").textContent = "Close";
  showDownloads();
}

function report(text, isProblem = false) {
  element("download-status").textContent = text;
  element("download").classList.toggle("failed", isProblem);
}

/** Enables the buttons if the query is valid and no download is running. */
export function showDownloads(isValid = available) {
  available = isValid;
  for (const button of document.querySelectorAll("[data-format]")) button.disabled = controller !== null || !available;
}

/** Cancels the download that is running, or closes the message about the last one. */
function end() {
  if (controller) return controller.abort();
  element("download").hidden = true;
  (started.disabled ? element("models") : started).focus({ preventScroll: true });
}

export function listenToDownloads() {
  for (const button of document.querySelectorAll("[data-format]")) button.addEventListener("click", () => download(button));
  element("download-end").addEventListener("click", end);
}
