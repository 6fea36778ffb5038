// The explorable figures: the rows that the choices name, put into a chart's specification.

const MOST_TICKS = 6;
const MEAN = ["mean", "low", "high", "runs", "task_seeds", "seeds"];

/** Rows of averages that pass, with names for what a chart reads. `key` is how many numbers come before the mean. */
function means(rows, key, at, metric) {
  const counts = new Map(numbers().counts.map((row) => [row.slice(0, 3).join(), row.slice(3)]));
  return rows.filter((row) => !chosen.hidden.has(row[0])).map((row) => {
    const mean = Object.fromEntries(MEAN.map((name, place) => [name, row[key + place]]));
    const [, failed, missing] = counts.get(row.slice(0, 3).join()) ?? [0, 0, 0];
    const alone = mean.task_seeds < 2 && mean.seeds < 2;
    const only = mean.task_seeds < 2 ? ", of seeds alone" : mean.seeds < 2 ? ", of task seeds alone" : "";
    const bounds = `${text(mean.low, metric)} to ${text(mean.high, metric)}`;
    return {
      model: row[0], at: row[at], ...mean, Model: store.models[row[0]].title, At: at_(row[at]),
      Value: text(mean.mean, metric), Interval: alone ? "none: one task seed and seed" : `${bounds} (95 %${only})`,
      Runs: `${runsInWords(mean.runs, failed, missing)}; ${mean.task_seeds} task seeds x ${mean.seeds} seeds`,
    };
  });
}
const at_ = (value) => value.toLocaleString("en");

/** What Random scores in a quantity at a number of rules, null where it has none. */
const randomly = (which, R) =>
  store.random.find((row) => row[0] === chosen.setting && row[1] === R && row[2] === which)?.[3] ?? null;

/** A row for each evaluation, of rows with lists over them. `key` is how many numbers come before the counts. */
function stepwise(rows, key, unit) {
  const at = (list, place) => (list[place] === null ? null : list[place] / unit);
  return rows.flatMap((row) => {
    const counts = row.slice(key, key + 3), lists = row.slice(key + 3);
    return numbers().steps.map((step, place) => [...row.slice(0, 3), step, ...lists.map((list) => at(list, place)), ...counts]);
  }).filter((row) => row[4] !== null);
}

/** What a slot shows: its rows, whether it is a metric, the chart's name, and what is along x. */
function content(slot) {
  const data = numbers();
  const which = Number(slot.dataset.which);
  const { along } = slot.dataset;
  const metric = along === "course" || (along !== "length" && along !== "steps" && store.quantities[which].metric);
  const at = (capacity) => (row) => row[2] === capacity;
  const now = (row) => row[3] === chosen.checkpoint;
  if (along === "rules") {
    const lengthwise = chosen.length && !metric;
    const rows = lengthwise
      ? data.lengths.filter((row) => row[4] === which + 1 && row[5] === chosen.length)
      : data.averages.filter((row) => row[4] === which);
    const kept = rows.filter(at(chosen.capacity)).filter(now);
    const shown = means(kept, lengthwise ? 6 : 5, 1, metric);
    for (const row of shown) row.random = randomly(which, row.at);
    return { rows: shown, metric, chart: "points", words: "rules" };
  }
  if (along === "capacity") {
    const rows = data.averages.filter((r) => r[1] === chosen.rules && r[2] > 0 && r[4] === which && now(r));
    const several = new Set(rows.map((row) => row[2])).size > 1;
    return { rows: several ? means(rows, 5, 2, metric) : [], metric, chart: "points", words: "encoder width",
      absent: !several };
  }
  if (along === "length") {
    const rows = data.lengths.filter((r) => r[1] === chosen.rules && r[4] === which && now(r));
    return { rows: means(rows.filter(at(chosen.capacity)), 6, 5, false), metric, chart: "points", words: "test length",
      absent: data.tested.length < 2 };
  }
  if (along === "course") {
    const kept = data.courses.filter((row) => row[1] === chosen.rules && row[2] === chosen.capacity && row[3] === which);
    const rows = stepwise(kept, 4, 1000);
    const shown = means(rows, 4, 3, true);
    for (const row of shown) row.random = randomly(store.courses[which].random, chosen.rules);
    return { rows: shown, metric, chart: "courses", words: "step" };
  }
  if (along === "steps") {
    const rows = data.curves.filter((row) => row[1] === which && row[2] === chosen.capacity);
    return { rows: means(stepwise(rows, 3, 1), 4, 3, false), metric, chart: "curves", words: "step", absent: !data.rules.includes(which) };
  }
  return { rows: single(which, metric), metric, chart: "runs", words: "model" };
}

/** A row for each run of the chosen number of rules and capacity. */
function single(which, metric) {
  const ofModel = new Map();
  return numbers().runs
    .filter((run) => run[1] === chosen.rules && (!chosen.capacity || run[2] === chosen.capacity))
    .filter((run) => !chosen.hidden.has(run[0]) && run[6 + chosen.checkpoint][which] !== null)
    .map((run) => {
      const nth = ofModel.get(run[0]) ?? 0;
      ofModel.set(run[0], nth + 1);
      const mean = run[6 + chosen.checkpoint][which];
      return {
        model: run[0], mean, beside: ((nth * 0.618034) % 1) * 2 - 1, Model: store.models[run[0]].title,
        random: randomly(which, chosen.rules), Value: text(mean, metric), Run: `task seed ${run[3]}, seed ${run[4]}, encoder width ${run[2]}`, run: run.slice(0, 5),
      };
    });
}

/** A row as those hear it who do not see its mark. */
const said = (row, words) => Object.entries({ Model: row.Model, [words]: row.At, Value: row.Value, Interval: row.Interval, Runs: row.Runs, Run: row.Run })
  .filter(([, value]) => value !== undefined).map((pair) => pair.join(": ")).join("; ");

/** Where the y axes of charts that stand side by side begin and end, and whether they are logarithmic. */
function axis(contents) {
  const rows = contents.flatMap((one) => one.rows);
  if (contents.some((one) => one.metric)) return { domain: [0, 1], logarithmic: false };
  const values = rows.map((row) => row.mean);
  const least = Math.min(...values), most = Math.max(...values);
  // An interval that is much wider than the means differ must not press them together: it ends in an arrow.
  const lowest = Math.min(least, ...rows.map((row) => row.low ?? least));
  const highest = Math.max(most, ...rows.map((row) => row.high ?? most));
  if (least > 0 && most / least > 6) {
    return { domain: [Math.max(lowest, least / 3) / 1.1, Math.min(highest, most * 3) * 1.1], logarithmic: true };
  }
  const top = Math.min(highest, 3 * most);
  return { domain: [0, top > 0 ? top * 1.04 : 1], logarithmic: false };
}

/** Ticks of a logarithmic axis: 1, 2 and 5 of every decade, or fewer of them where labels would not fit. */
function decades(least, most) {
  const first = Math.floor(Math.log10(least)), last = Math.ceil(Math.log10(most));
  const ticks = (digits) => Array.from({ length: last - first + 1 }, (_, k) => digits.map((digit) => Number(`${digit}e${first + k}`)))
    .flat().filter((value) => value >= least && value <= most);
  return [[1, 2, 5], [1, 3], [1]].map(ticks).find((found) => found.length <= MOST_TICKS) ?? ticks([1]);
}

/** What the y axis says: the unit of an error, and the scale where it is not linear; metrics have no unit. */
const axisTitle = (metric, logarithmic) =>
  metric ? null : `error, ${store.settings[chosen.setting].unit}${logarithmic ? ", log scale" : ""}`;

/** The specification with numbers. */
function filled({ rows, chart, words, metric }, { domain, logarithmic }) {
  const spec = structuredClone(store.charts[chart + (logarithmic ? "-log" : "")]);
  const ticks = { title: axisTitle(metric, logarithmic), ...(logarithmic ? { values: decades(...domain) } : {}) };
  for (const row of rows) {
    row.Said = said(row, words);
    row.above = row.high > domain[1] ? domain[1] : null;
    row.below = typeof row.low === "number" && row.low < domain[0] ? domain[0] : null;
    if (row.below) row.low = row.below; // 0 has no place on a logarithmic axis
  }
  const models = [...new Set(rows.map((row) => row.model))].sort((a, b) => a - b);
  for (const part of [spec, ...spec.layer]) {
    // A model without a mark gets no room, or the others would not stand at their places.
    for (const place of [part.encoding?.x, part.encoding?.xOffset]) if (place?.field === "model") place.scale = { ...place.scale, domain: models };
    const y = part.encoding?.y;
    if (y) {
      y.scale = { ...y.scale, domain };
      y.axis = { ...y.axis, ...ticks };
    }
    const at = part.encoding?.tooltip?.find?.((field) => field.field === "At");
    if (at) at.title = words;
  }
  if (chart === "points") spec.encoding.x.axis = { ...spec.encoding.x.axis, title: words };
  spec.datasets = { rows };
  return spec;
}

const queue = new Map();
const views = new WeakMap();
let working = false;

/** Draws what waits, what is nearest to the screen first, and lets the browser breathe in between. */
async function work() {
  if (working) return;
  working = true;
  while (queue.size) {
    const distance = (slot) => Math.abs(slot.getBoundingClientRect().top - 200);
    const slot = [...queue.keys()].reduce((a, b) => (distance(b) < distance(a) ? b : a));
    const spec = queue.get(slot);
    queue.delete(slot);
    const plot = $(".plot", slot);
    views.get(slot)?.finalize();
    if (spec) {
      const made = await vegaEmbed(plot, spec, { renderer: "svg", actions: false, ast: true, tooltip: { theme: "page" } });
      views.set(slot, made);
      made.view.addEventListener("click", (_, item) => item?.datum?.run && openRun(item.datum.run));
      $("svg", plot)?.setAttribute("aria-label", $("h4", slot).textContent);
    } else plot.replaceChildren();
    slot.dataset.drawn = String(Number(slot.dataset.drawn ?? 0) + 1);
    await new Promise((done) => setTimeout(done));
  }
  working = false;
  document.documentElement.dataset.ready = "true";
}

function table(contents, slots) {
  const made = document.createElement("table");
  made.className = "facts stack";
  const heads = ["Figure", "Model", "At", "Value", "95 % interval", "Rests on"];
  const first = made.createTHead().insertRow(), body = made.createTBody();
  for (const head of heads) first.append(element("th", "", head));
  contents.forEach(({ rows }, place) => {
    const title = $("h4", slots[place]).textContent;
    for (const { Model, At, Run, Value, Interval = "", Runs = "1 run" } of rows) {
      const row = body.insertRow();
      [title, Model, At ?? Run, Value, Interval, Runs].forEach((text, column) => {
        const cell = row.appendChild(element(column ? "td" : "th", "", text));
        if (column) cell.dataset.label = heads[column];
        else cell.scope = "row";
      });
    }
  });
  return made;
}

function explore() {
  document.documentElement.dataset.ready = "false";
  for (const group of $$(".charts")) {
    const slots = $$(".slot", group);
    const contents = slots.map(content);
    const shared = group.dataset.shared === "true" ? axis(contents) : null;
    slots.forEach((slot, place) => {
      const one = contents[place];
      slot.hidden = Boolean(one.absent);
      const nothing = !one.rows.length;
      $(".nothing", slot).hidden = !nothing;
      queue.set(slot, nothing || one.absent ? null : filled(one, shared ?? axis([one])));
    });
    group.parentElement.hidden = contents.every((one) => one.absent);
    const details = $("details.numbers", group.parentElement);
    const fill = () => details.open && $("div", details).replaceChildren(table(contents.filter((c) => !c.absent), slots.filter((s) => !s.hidden)));
    details.ontoggle = fill;
    fill();
  }
  work();
}
listeners.push(explore);
