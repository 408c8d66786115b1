// The request as code to copy, and copying.

import { parameters } from "./form.js";
import { listingUrl, query } from "./query.js";

const element = (id) => document.getElementById(id);
const COPIED = 4_000; // milliseconds until the message about a copy disappears

let message = 0;

const formats = {
  curl: (params) => `curl '${listingUrl(params)}'`,
  python: (params) => (params.size ? pythonWithQuery(params) : pythonWithoutQuery()),
  stepFunctions: (params) => JSON.stringify(stateMachine(params), null, 2),
};

const PRINT = ["    listing = json.load(response)", 'print(listing["modelSummaries"], listing.get("nextCursor"))'];

function pythonWithoutQuery() {
  const url = listingUrl(new URLSearchParams());
  return ["import json", "from urllib.request import urlopen", "", `with urlopen("${url}") as response:`, ...PRINT].join("\n");
}

function pythonWithQuery(params) {
  return [
    "import json",
    "from urllib.parse import urlencode",
    "from urllib.request import urlopen",
    "",
    "parameters = [",
    ...[...params].map(([name, value]) => `    (${JSON.stringify(name)}, ${JSON.stringify(value)}),`),
    "]",
    `with urlopen("${listingUrl(new URLSearchParams())}?" + urlencode(parameters)) as response:`,
    ...PRINT,
  ].join("\n");
}

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

/** Shows the request for the current page. */
export function showRequest() {
  const as = document.querySelector("[name=as]:checked").value;
  const params = query();
  element("code").textContent = formats[as](params);
  element("without-cursor").hidden = as !== "stepFunctions" || !params.has("cursor");
}

/** Shows the whole code, or one line of it. */
function expand() {
  const expanded = element("request").classList.toggle("expanded");
  element("expand").ariaExpanded = String(expanded);
}

/** Copies the text of an element. */
async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    report("Copied.");
  } catch {
    getSelection().selectAllChildren(source);
    report("Selected. Copy it with the keyboard.");
  }
}

function report(text) {
  element("copied").textContent = text;
  clearTimeout(message);
  message = setTimeout(() => (element("copied").textContent = ""), COPIED);
}

export function listenToRequest() {
  for (const radio of document.querySelectorAll("[name=as]")) radio.addEventListener("change", showRequest);
  element("expand").addEventListener("click", expand);
  element("copy").addEventListener("click", () => copy(element("code")));
  element("rows").addEventListener("click", ({ target }) => {
    const button = target.closest(".copy");
    if (button) copy(button.closest(".arn").querySelector("bdi"));
  });
}
