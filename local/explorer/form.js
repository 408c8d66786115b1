// The form: a field for each parameter in the OpenAPI document, except the cursor, which the page buttons set.

import { INVENTORY } from "./query.js";

const element = (id) => document.getElementById(id);

const LABELS = { maxItems: "Models per page", pageSize: "Models per Bedrock call" };
const ABOUT_SOURCES = ["accounts", "regions", "allowPartial"]; // of no use if there is only one source

/** The parameters in the OpenAPI document, by name. */
export const parameters = new Map();

/** The names of a model's fields, in the order of the OpenAPI document. */
export const modelFields = [];

const isArn = (name) => name.includes("ModelArn");
const suggestionsOf = (name) => `${name}-suggestions`;
const fieldOf = (name) => element("form").elements.namedItem(name);
const made = (tag, properties) => Object.assign(document.createElement(tag), properties);

export async function makeForm() {
  const response = await fetch("/v1/openapi.json");
  if (!response.ok) throw new SyntaxError("no OpenAPI document");
  const openapi = await response.json();
  for (const parameter of openapi.paths["/custom-models"].get.parameters) {
    if (parameter.in === "query" && parameter.name !== "cursor") parameters.set(parameter.name, parameter);
  }
  modelFields.push(...Object.keys(openapi.components.schemas.ModelSummary.properties));
  element("fields").replaceChildren(...[...parameters.values()].map(makeField));
  element("form").hidden = false;
}

function makeField({ name, description, schema }) {
  const field = element("field").content.cloneNode(true);
  const [label, error, hint] = field.querySelectorAll("label, .error, .hint");
  const control = makeControl(name, schema);
  control.name = control.id = label.htmlFor = name;
  label.id = `${name}-label`;
  label.textContent = LABELS[name] ?? words(name);
  hint.textContent = description;
  hint.id = `${name}-hint`;
  error.id = `${name}-error`;
  control.setAttribute("aria-describedby", `${error.id} ${hint.id}`);
  label.after(control);
  if (schema.type === "array") control.after(makeList(control, label));
  if (isArn(name)) control.after(made("datalist", { id: suggestionsOf(name) }));
  return field;
}

function makeControl(name, schema) {
  if (schema.type === "array") return made("button", { type: "button", className: "choices" });
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  return choices ? makeSelect(name, choices) : makeInput(name, schema);
}

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
  const input = made("input", { type: "text", autocomplete: "off", spellcheck: false });
  if (schema.type === "integer") input.inputMode = "numeric";
  if (schema.default) input.placeholder = schema.default;
  if (schema.format === "date-time") input.placeholder = "2026-01-31T00:00:00Z";
  if (schema.format === "date-time") input.setAttribute("list", "times");
  if (isArn(name)) input.setAttribute("list", suggestionsOf(name));
  return input;
}

// --- Accounts and regions ----------------------------------------------------------------------

// The value of such a field is that of its button. The list below the button has a checkbox for each choice.

const partOf = { accounts: (source) => source.split("/")[0], regions: (source) => source.split("/")[1] };
const distinct = (name) => [...new Set(INVENTORY.map(partOf[name]))];

function makeList(button, label) {
  const { name } = button;
  const list = made("div", { id: `${name}-choices`, className: "choice-list", popover: "auto", role: "group" });
  list.setAttribute("aria-labelledby", label.id);
  list.addEventListener("change", () => {
    button.value = [...list.querySelectorAll(":checked")].map((box) => box.value).join(",");
    showSelection();
  });
  button.popoverTargetElement = list;
  button.setAttribute("aria-labelledby", `${label.id} ${name}`);
  return list;
}

/** Makes the checkboxes. A value that is not made of the choices stays, as a choice of its own, in the next request. */
function fillChoices(name) {
  const { value } = fieldOf(name);
  const chosen = value.split(",");
  const valid = chosen.every((choice) => distinct(name).includes(choice)) && new Set(chosen).size === chosen.length;
  const choices = value && !valid ? [...distinct(name), value] : distinct(name);
  const boxes = choices.map((choice) => {
    const label = document.createElement("label");
    const checked = valid ? chosen.includes(choice) : choice === value;
    label.append(made("input", { type: "checkbox", value: choice, checked }), ` ${choice}`);
    return label;
  });
  const note = made("p", { className: "small", textContent: "No choice: all. Choices that would add no source are disabled." });
  element(`${name}-choices`).replaceChildren(...boxes, note);
}

/** Returns the sources of the inventory that the fields select. */
function selectedSources() {
  const [accounts, regions] = ["accounts", "regions"].map((name) => fieldOf(name).value.split(",").filter(Boolean));
  return INVENTORY.filter((source) => isIn(accounts, partOf.accounts(source)) && isIn(regions, partOf.regions(source)));
}

const isIn = (chosen, name) => !chosen.length || chosen.includes(name);

/** Shows the selection, and disables the choices that the API would refuse together with it. */
function showSelection() {
  for (const [name, other] of [["accounts", "regions"], ["regions", "accounts"]]) {
    const chosen = fieldOf(name).value.split(",").filter(Boolean);
    fieldOf(name).textContent = chosen.length < 2 ? (chosen[0] ?? "all") : `${chosen.length} of ${distinct(name).length}`;
    const others = fieldOf(other).value.split(",").filter(Boolean);
    const possible = INVENTORY.filter((source) => isIn(others, partOf[other](source))).map(partOf[name]);
    for (const box of element(`${name}-choices`).querySelectorAll("input")) box.disabled = !box.checked && !possible.includes(box.value);
  }
  const several = selectedSources().length > 1;
  for (const option of document.querySelectorAll("#sortBy option, #sortOrder option")) option.disabled = several && option.value !== "";
}

// --- Values ------------------------------------------------------------------------------------

/** Shows a query in the form. */
export function fillForm(params) {
  for (const name of parameters.keys()) {
    const [field, value] = [fieldOf(name), params.get(name) ?? ""];
    field.value = value;
    // Add a value that is not in the list, so that it stays in the next request.
    if (field.options && field.value !== value) field.add(new Option(value, value, true, true));
    const whole = field.closest(".field");
    whole.classList.toggle("filled", value !== "");
    whole.hidden = INVENTORY.length < 2 && ABOUT_SOURCES.includes(name) && !params.has(name);
    if (name in partOf) fillChoices(name);
  }
  showSelection();
  const filled = [...parameters.keys()].filter((name) => params.get(name)).length;
  element("filled").textContent = filled ? `${filled} set` : "";
}

/** Returns the query that the form's fields make. */
export function queryInForm() {
  const values = [...parameters.keys()].map((name) => [name, fieldOf(name).value]);
  return new URLSearchParams(values.filter(([, value]) => value !== ""));
}

/** Shows a message next to the parameter's field, if the form has one. */
export function showError(name, message) {
  const field = parameters.has(name) && fieldOf(name);
  if (!field) return;
  element(`${name}-error`).textContent = `${name} ${message}`;
  field.ariaInvalid = "true";
}

export function clearErrors() {
  for (const error of document.querySelectorAll(".error")) error.textContent = "";
  for (const field of element("form").elements) field.ariaInvalid = null;
}

// --- Suggestions -------------------------------------------------------------------------------

export function suggestTimes() {
  const hours = { "an hour ago": 1, "a day ago": 24, "a week ago": 168, "30 days ago": 720, "a year ago": 8_760 };
  for (const [label, count] of Object.entries(hours)) {
    const time = new Date(Date.now() - count * 3_600_000).toISOString().replace(/\.\d+/, "");
    element("times").append(new Option(label, time));
  }
}

/** Suggests the models' base models in each field that accepts them: not every base model is a foundation model. */
export function suggestBaseModels(models) {
  for (const { name, schema } of [...parameters.values()].filter(({ name }) => isArn(name))) {
    const [list, accepted] = [element(suggestionsOf(name)), new RegExp(schema.pattern)];
    const options = new Map([...list.children].map((option) => [option.value, option]));
    for (const model of models.filter(({ baseModelArn }) => accepted.test(baseModelArn))) {
      options.set(model.baseModelArn, new Option(model.baseModelName, model.baseModelArn));
    }
    list.replaceChildren(...options.values());
  }
}
