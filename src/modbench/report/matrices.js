// Activation matrices of single runs: thumbnails of all, one of them large with its metrics.

const browser = $("#browser");
const unpacked = new Map();
const focus = { capacity: 0, task: 0, seed: 0 };
// White to deep blue, as in the figures; a filter of the page turns it around in the dark.
const HEAT = [[255, 255, 255], [207, 227, 241], [125, 180, 216], [47, 127, 184], [11, 79, 134], [6, 44, 80]];
const RAMP = Array.from({ length: 256 }, (_, byte) => {
  const place = (byte / 255) * (HEAT.length - 1), below = Math.min(Math.floor(place), HEAT.length - 2);
  return [0, 1, 2].map((c) => Math.round(HEAT[below][c] + (place - below) * (HEAT[below + 1][c] - HEAT[below][c])));
});

/** The runs of the chosen setting that have a matrix, each with its bytes, rule by rule. */
async function matrices() {
  const { setting } = chosen;
  if (!unpacked.has(setting)) {
    const data = numbers();
    const bytes = await inflated(data.matrices);
    let offset = 0;
    unpacked.set(setting, data.runs.filter((run) => run[5]).map((run) => {
      const [model, R, capacity, task, seed, M] = run;
      const entries = bytes.subarray(offset, (offset += R * M));
      return { model, R, capacity, task, seed, M, values: run[6 + store.checkpoint], entries };
    }));
  }
  return unpacked.get(setting);
}

function paint(canvas, { R, M, entries }) {
  canvas.width = M;
  canvas.height = R;
  const context = canvas.getContext("2d");
  const image = context.createImageData(M, R);
  entries.forEach((byte, place) => image.data.set([...RAMP[byte], 255], 4 * place));
  context.putImageData(image, 0, 0);
}

const named = (run) => `${store.models[run.model].title}, task seed ${run.task}, seed ${run.seed}`;

/** A select's options, keeping what is selected where it is still there. */
function options(select, values, wanted) {
  const value = values.includes(wanted) ? wanted : values[0];
  select.replaceChildren(...values.map((one) => new Option(one, one, false, one === value)));
  return value;
}

const distinct = (runs, name) => [...new Set(runs.map((run) => run[name]))].sort((a, b) => a - b);

/** A model's card: the run in focus large, and all runs below it, each in the place of its seeds. */
function figureOf(all, model) {
  const runs = all.filter((run) => run.model === model);
  const card = document.createElement("div");
  card.className = "matrix-card";
  const title = card.appendChild(document.createElement("h4"));
  title.textContent = store.models[model].title;
  const run = runs.find((one) => one.task === focus.task && one.seed === focus.seed);
  if (run) card.append(...large(run));
  else card.appendChild(Object.assign(document.createElement("p"), {
    className: "note", textContent: `No matrix of task seed ${focus.task}, seed ${focus.seed}: this run failed or is missing.` }));
  const grid = card.appendChild(document.createElement("div"));
  grid.className = "thumbs";
  const [tasks, seeds] = [distinct(all, "task"), distinct(all, "seed")];
  grid.style.setProperty("--columns", seeds.length);
  for (const one of runs) {
    const button = grid.appendChild(document.createElement("button"));
    button.type = "button";
    button.dataset.run = `${one.model}-${one.task}-${one.seed}`;
    button.style.gridArea = `${tasks.indexOf(one.task) + 1} / ${seeds.indexOf(one.seed) + 1}`;
    button.title = `task seed ${one.task}, seed ${one.seed}`;
    button.setAttribute("aria-label", named(one));
    button.setAttribute("aria-pressed", String(one === run));
    paint(button.appendChild(document.createElement("canvas")), one);
    button.addEventListener("click", () => { openRun([model, one.R, one.capacity, one.task, one.seed], false); $(`[data-run="${button.dataset.run}"]`).focus(); });
  }
  return card;
}

/** A line under a canvas that says which entry the pointer is at; `current` gives the matrix that is shown. */
function pointed(canvas, current) {
  const note = Object.assign(document.createElement("p"), { className: "note pointed" });
  const rest = () => { note.textContent = `${current().R} rules down, ${current().M} modules across`; };
  rest();
  canvas.addEventListener("pointermove", (event) => {
    const { R, M, entries } = current();
    const box = canvas.getBoundingClientRect();
    const r = Math.min(R - 1, Math.floor(((event.clientY - box.top) / box.height) * R));
    const m = Math.min(M - 1, Math.floor(((event.clientX - box.left) / box.width) * M));
    if (r >= 0 && m >= 0) note.textContent = `rule ${r}, column ${m}: ${(entries[r * M + m] / 255).toFixed(2)}`;
  });
  canvas.addEventListener("pointerleave", rest);
  return note;
}

/** A run's matrix with its metrics. */
function large(run) {
  const canvas = document.createElement("canvas");
  canvas.className = "large";
  canvas.setAttribute("role", "img");
  const metrics = store.quantities.map((quantity, place) => [quantity.title, text(run.values[place], quantity.metric)]);
  canvas.setAttribute("aria-label", `${named(run)}: ${metrics.map((pair) => pair.join(" ")).join(", ")}`);
  paint(canvas, run);
  const note = pointed(canvas, () => run);
  const list = document.createElement("dl");
  for (const [title, value] of metrics) {
    list.appendChild(document.createElement("dt")).textContent = title;
    list.appendChild(document.createElement("dd")).textContent = value;
  }
  return [canvas, note, list];
}

/** Shows a run: model, number of rules, capacity, task seed, seed; and brings it on screen if asked to. */
function openRun([, , capacity, task, seed], scroll = true) {
  Object.assign(focus, { capacity, task, seed });
  if (scroll) $("#activations").scrollIntoView();
  browse();
}

async function browse() {
  if (!browser) return;
  const asked = [chosen.setting, chosen.rules].join();
  const of = (await matrices()).filter((run) => run.R === chosen.rules);
  if (asked !== [chosen.setting, chosen.rules].join()) return; // another choice came in between
  $("#choose-run").hidden = !of.length;
  $(".nothing", browser.parentElement).hidden = of.length > 0;
  if (of.length) {
    focus.capacity = options($("#run-capacity"), distinct(of, "capacity"), focus.capacity);
    const runs = of.filter((run) => run.capacity === focus.capacity);
    focus.task = options($("#run-task"), distinct(runs, "task"), focus.task);
    focus.seed = options($("#run-seed"), distinct(runs, "seed"), focus.seed);
    const models = distinct(runs, "model").filter((model) => !chosen.hidden.has(model));
    browser.replaceChildren(...models.map((model) => figureOf(runs, model)));
  } else browser.replaceChildren();
  browser.dataset.shown = asked;
}

/** The next or the previous run, in the order of task seeds and seeds. */
function step(by) {
  const pairs = [...$("#run-task").options].flatMap((task) => [...$("#run-seed").options].map((seed) => [+task.value, +seed.value]));
  const now = pairs.findIndex(([task, seed]) => task === focus.task && seed === focus.seed);
  [focus.task, focus.seed] = pairs[(now + by + pairs.length) % pairs.length];
  browse();
}

if (browser) {
  for (const [id, name] of [["run-capacity", "capacity"], ["run-task", "task"], ["run-seed", "seed"]]) {
    $(`#${id}`).addEventListener("change", (event) => { focus[name] = Number(event.target.value); browse(); });
  }
  $("#run-before").addEventListener("click", () => step(-1));
  $("#run-after").addEventListener("click", () => step(1));
  listeners.push(() => {
    if (chosen.capacity) focus.capacity = chosen.capacity;
    browse();
  });
}
