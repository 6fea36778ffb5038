// The page's state: what the reader has chosen. Everything that shows numbers listens to it.
const store = JSON.parse($("#store").textContent);
const chosen = { setting: 0, rules: 0, capacity: 0, checkpoint: store.checkpoint, length: 0, hidden: new Set() };
const listeners = [];
const parsed = new Map();
let turn = 0;

/** The numbers of the chosen setting. */
const numbers = () => parsed.get(chosen.setting);

/** Unpacks the numbers of a setting when they are first asked for. */
async function unpack(setting) {
  if (parsed.has(setting)) return;
  const data = JSON.parse(new TextDecoder().decode(await inflated($(`#setting${setting}`).textContent)));
  data.rules = [...new Set(data.counts.map((row) => row[1]))].sort((a, b) => a - b);
  data.capacities = [...new Set(data.counts.map((row) => row[2]))].sort((a, b) => a - b);
  data.tested = [...new Set(data.lengths.map((row) => row[5]))].sort((a, b) => a - b);
  parsed.set(setting, data);
}

/** A number of a quantity as text. */
function text(value, metric) {
  if (value === null || value === undefined) return "none";
  if (metric) return value.toFixed(2);
  return store.settings[chosen.setting].unit === "%" ? `${value.toFixed(1)} %` : value.toPrecision(3);
}

/** Finished, failed and missing runs in words. */
function runsInWords(done, failed, missing) {
  const parts = [`${done.toLocaleString("en")} run${done === 1 ? "" : "s"}`];
  if (failed) parts.push(`${failed.toLocaleString("en")} failed`);
  if (missing) parts.push(`${missing.toLocaleString("en")} missing`);
  return parts.join(", ");
}

const form = $("#choose");
// Controls stand where they act, and belong to one form wherever that is.
const controls = () => [...(form?.elements ?? [])];
const inputsOf = (name) => controls().filter((one) => one.name === name);
const picked = (name) => inputsOf(name).find((input) => input.checked)?.value;

/** Makes a choice among what there is: others cannot be picked, and what was picked moves if it is not there. */
function offer(name, available, preferred) {
  const inputs = inputsOf(name);
  for (const input of inputs) input.disabled = !available.includes(input.value);
  const fieldset = controls().find((one) => one.dataset.name === name);
  if (fieldset) fieldset.hidden = inputs.filter((input) => !input.disabled).length < 2;
  let current = inputs.find((input) => input.checked && !input.disabled);
  if (!current && inputs.length) {
    current = inputs.find((input) => input.value === preferred && !input.disabled) ?? inputs.find((i) => !i.disabled);
    if (current) current.checked = true;
  }
  return current?.value;
}

async function choose() {
  document.documentElement.dataset.ready = "false";
  const all = store.settings.map((setting, place) => ({ ...setting, place }));
  const family = picked("family") ?? all[0].family;
  const ofFamily = all.filter((setting) => setting.family === family);
  const kind = offer("kind", ofFamily.map((s) => s.kind)) ?? ofFamily[0].kind;
  const ofKind = ofFamily.filter((setting) => setting.kind === kind);
  const rest = offer("rest", ofKind.map((s) => s.rest)) ?? ofKind[0].rest;
  const { place } = ofKind.find((setting) => setting.rest === rest) ?? ofKind[0];
  const mine = ++turn;
  await unpack(place);
  if (mine !== turn) return; // the reader has chosen something else meanwhile
  chosen.setting = place;
  const data = numbers();
  const finished = data.rules.findLast((R) => data.counts.some((row) => row[1] === R && row[3]));
  const most = finished ?? data.rules.at(-1);
  chosen.rules = Number(offer("rules", data.rules.map(String), String(most)) ?? most);
  const capacity = offer("capacity", data.capacities.map(String), String(data.capacities[0]));
  chosen.capacity = Number(capacity ?? data.capacities[0]);
  chosen.checkpoint = Number(picked("checkpoint") ?? store.checkpoint);
  chosen.length = Number(offer("length", ["0", ...data.tested.map(String)], "0") ?? 0);
  if (data.tested.length < 2) chosen.length = 0;
  for (const part of $$(".of-setting")) part.classList.toggle("off", !part.classList.contains(`s${chosen.setting}`));
  for (const part of $$(".of-rules")) {
    if (part.classList.contains(`r${chosen.rules}`)) part.classList.remove("unchosen");
    else part.classList.add("unchosen");
  }
  tell();
}

/** Has everything show what is chosen. */
function tell() {
  for (const listener of listeners) listener();
}

/** What is chosen, in words: a section says which of it its numbers are of. */
function inWords(name) {
  const { setting, rules, capacity, checkpoint, length, hidden } = chosen;
  const without = [...hidden].sort().map((model) => store.models[model].title);
  return {
    setting: store.settings[setting].name,
    rules: `${rules} rules`,
    capacity: capacity ? `encoder width ${capacity}` : "all encoder widths",
    checkpoint: `“${store.checkpoints[checkpoint]}” checkpoint`,
    length: length ? `errors at test length ${length}` : "",
    models: without.length ? `without ${without.join(", ")}` : "",
  }[name];
}

function say() {
  for (const line of $$("[data-says]")) {
    line.textContent = line.dataset.says.split(" ").map(inWords).filter(Boolean).join(" · ");
  }
}
listeners.push(say);

/** The legend: a button for each model, pressed while its marks are shown. */
function legend() {
  const list = $("#legend");
  if (!list) return;
  for (const button of $$("button[data-model]", list)) {
    button.addEventListener("click", () => {
      const model = Number(button.dataset.model);
      const shown = chosen.hidden.delete(model) || !chosen.hidden.add(model);
      button.setAttribute("aria-pressed", String(shown));
      tell();
    });
  }
}

function start() {
  theme();
  menu();
  if (!form || !store.settings.length) return;
  form.hidden = false;
  document.addEventListener("change", (event) => event.target.form === form && choose());
  form.addEventListener("submit", (event) => event.preventDefault());
  legend();
  choose();
}
