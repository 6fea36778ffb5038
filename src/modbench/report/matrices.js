// Activation matrices of single runs: thumbnails of all, one of them large with its metrics.

/** The words of a run's matrix of R rules and M modules. */
const ofRun = (R, M) => ({
  size: `${R} rules down, ${M} modules across`,
  entry: (r, m, byte) => `rule ${r}, module ${m}: p = ${(byte / 255).toFixed(3)}`,
  down: { name: String, most: 8 },
  across: { name: String, most: 8 },
});

/** Why a modular model has no matrix at the chosen number of rules and a capacity; nothing where it has one. */
function lacking(model, capacity) {
  const row = numbers().counts.find(([one, R, width]) => one === model && R === chosen.rules && width === capacity);
  if (!row) return "Not planned at this encoder width.";
  const [done, failed, missing] = row.slice(3);
  return done ? "" : `No matrix: ${runsInWords(done, failed, missing).replace("0 runs", "no finished run")}.`;
}

/** The modular models of the chosen setting that were planned with the chosen number of rules and are not hidden. */
const modular = () => distinct(numbers().counts.filter((row) => row[1] === chosen.rules), 0)
  .filter((model) => store.models[model].routed && !chosen.hidden.has(model));

/** A card with a model's name. */
function cardOf(model) {
  const card = element("div", "matrix-card");
  card.append(element("h4", "", store.models[model].title));
  return card;
}

const distinct = (rows, name) => [...new Set(rows.map((row) => row[name]))].sort((a, b) => a - b);
const named = (run) => `${store.models[run.model].title}, task seed ${run.task}, seed ${run.seed}`;

/** The matrices of runs: `runs` says for each how many there are, `R`, `M`; they come one after the other, each less the one before it. */
function unframed(bytes, runs) {
  let offset = 0;
  return runs.map(({ R, M, frames }) => {
    let before = new Uint8Array(R * M);
    return Array.from({ length: frames }, () => {
      const change = bytes.subarray(offset, (offset += R * M));
      return (before = before.map((byte, entry) => byte + change[entry])); // modulo 256, as bytes are
    });
  });
}

const browser = $("#browser");
const unpacked = new Map();
const focus = { capacity: 0, task: 0, seed: 0 };

/** The runs of the chosen setting that have matrices, each with its bytes at every checkpoint, rule by rule. */
async function matrices() {
  const { setting } = chosen;
  if (!unpacked.has(setting)) {
    const data = numbers();
    const runs = data.runs.filter((run) => run[5]).map((run) => {
      const [model, R, capacity, task, seed, M, ...values] = run;
      return { model, R, capacity, task, seed, M, values, frames: values.length };
    });
    const kept = unframed(await inflated(data.matrices), runs);
    unpacked.set(setting, runs.map((run, place) => ({ ...run, kept: kept[place] })));
  }
  return unpacked.get(setting);
}

/** What is drawn of a run at the chosen checkpoint. */
const drawn = ({ R, M, kept }) => ({ R, M, entries: kept[chosen.checkpoint] });

/** A model's card: the run in focus large, and all runs below it, each in the place of its seeds. */
function figureOf(all, model) {
  const runs = all.filter((run) => run.model === model);
  const card = cardOf(model);
  const run = runs.find((one) => one.task === focus.task && one.seed === focus.seed);
  if (run) card.append(...large(run));
  else card.append(element("p", "note", lacking(model, focus.capacity)
    || `No matrix of task seed ${focus.task}, seed ${focus.seed}: this run failed or is missing.`));
  const grid = card.appendChild(element("div", "thumbs"));
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
    paint(button.appendChild(document.createElement("canvas")), drawn(one));
    button.addEventListener("click", () => { openRun([model, one.R, one.capacity, one.task, one.seed], false); $(`[data-run="${button.dataset.run}"]`).focus(); });
  }
  return card;
}

/** A run's matrix with its metrics. */
function large(run) {
  const values = run.values[chosen.checkpoint];
  const metrics = store.quantities.map((quantity, place) => [quantity.title, text(values[place], quantity.metric)]);
  const { whole, show } = heatmap(run.R, run.M, ofRun(run.R, run.M));
  show(drawn(run), `${named(run)}: ${metrics.map((pair) => pair.join(" ")).join(", ")}`);
  const list = document.createElement("dl");
  for (const [title, value] of metrics) list.append(element("dt", "", title), element("dd", "", value));
  return [whole, list];
}

/** Shows a run: model, number of rules, capacity, task seed, seed; and brings it on screen if asked to. */
function openRun([, , capacity, task, seed], scroll = true) {
  Object.assign(focus, { capacity, task, seed });
  if (scroll) $("#activations").scrollIntoView();
  browse();
}

async function browse() {
  if (!browser) return;
  const asked = () => [chosen.setting, chosen.rules, chosen.checkpoint].join();
  const before = asked();
  const of = (await matrices()).filter((run) => run.R === chosen.rules);
  if (before !== asked()) return; // another choice came in between
  $("#choose-run").hidden = !of.length;
  $(".nothing", browser.parentElement).hidden = of.length > 0;
  if (of.length) {
    focus.capacity = options($("#run-capacity"), distinct(of, "capacity"), focus.capacity);
    const runs = of.filter((run) => run.capacity === focus.capacity);
    focus.task = options($("#run-task"), distinct(runs, "task"), focus.task);
    focus.seed = options($("#run-seed"), distinct(runs, "seed"), focus.seed);
    browser.replaceChildren(...modular().map((model) => figureOf(runs, model)));
  } else browser.replaceChildren();
  browser.dataset.shown = before;
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
