// The page's state: what the reader has chosen. Everything that shows numbers listens to it.
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
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

/** The bytes of a text that Python has packed. */
async function inflated(packed) {
  const letters = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([letters]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
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

/** Light, dark, or as the system has it; remembered where the browser lets a page remember. */
function theme() {
  const button = $("#theme");
  const names = ["auto", "light", "dark"];
  const show = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    button.textContent = { auto: "◐ as the system", light: "☀ light", dark: "☾ dark" }[name];
    button.value = name;
    repaint();
  };
  let kept = "auto";
  try { kept = localStorage.getItem("modbench-theme") ?? "auto"; } catch { /* not allowed here: nothing is remembered */ }
  show(names.includes(kept) ? kept : "auto");
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(button.value) + 1) % names.length];
    show(next);
    try { localStorage.setItem("modbench-theme", next); } catch { /* the same */ }
  });
}

/** The line on top: on a small screen it opens and closes, and no anchor lands below it. */
function menu() {
  const whole = $("#menu"), small = matchMedia("(max-width: 46rem)");
  const fit = () => { whole.open = !small.matches; };
  fit();
  small.addEventListener("change", fit);
  const line = $("summary", whole);
  new ResizeObserver(() => {
    const height = small.matches ? line.offsetHeight : whole.offsetHeight;
    document.documentElement.style.setProperty("--menu", `${height}px`);
  }).observe(whole);
  whole.addEventListener("click", (event) => { if (small.matches && event.target.closest("nav a")) whole.open = false; });
  document.addEventListener("keydown", (event) => { if (small.matches && event.key === "Escape") whole.open = false; });
  const links = new Map($$("nav a", whole).map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) for (const [id, link] of links) link.setAttribute("aria-current", String(id === target.id));
    }
  }, { rootMargin: "-30% 0px -69% 0px" });
  for (const id of links.keys()) seen.observe(document.getElementById(id));
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
