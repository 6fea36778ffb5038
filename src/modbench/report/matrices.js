// Activation matrices of single runs: thumbnails of all, one of them large with its metrics.

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
  const { whole, show } = heatmap(run.R, run.M);
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
