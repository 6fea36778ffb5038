// Activation matrices as they form: one run of each model, at the step that a slider says.

const cinema = $("#cinema");
const developed = new Map();
const scene = { capacity: 0, task: 0, seed: 0, place: Infinity };
const MOMENT = 350; // milliseconds that a frame stands while it plays
let playing = null;

/** The runs of the chosen setting whose matrices were kept, each with its frames. */
async function filmed() {
  const { setting } = chosen;
  if (!developed.has(setting)) {
    const { runs, frames } = numbers().films;
    const known = runs.map(([model, R, capacity, task, seed, M, steps, ...metrics]) =>
      ({ model, R, capacity, task, seed, M, steps, metrics, frames: steps.length }));
    const shots = unframed(await inflated(frames), known);
    developed.set(setting, known.map((run, place) => ({ ...run, shots: shots[place] })));
  }
  return developed.get(setting);
}

const hundredths = (value) => (value === null ? null : value / 100);

/** A model's card, and a function that shows the frame at a place of `steps` on it. */
function screen(run) {
  const card = cardOf(run.model);
  const { whole, show } = heatmap(run.R, run.M, ofRun(run.R, run.M));
  card.append(whole);
  const list = card.appendChild(document.createElement("dl"));
  const values = store.courses.map(({ title }) => {
    list.append(element("dt", "", title));
    return list.appendChild(element("dd", ""));
  });
  return { card, show: (step) => {
    // A run that was watched at other steps shows the last of them that has passed.
    const place = Math.max(0, run.steps.findLastIndex((one) => one <= step));
    values.forEach((value, metric) => { value.textContent = text(hundredths(run.metrics[metric][place]), true); });
    const said = store.courses.map(({ title }, metric) => `${title} ${values[metric].textContent}`);
    show({ R: run.R, M: run.M, entries: run.shots[place] }, `${named(run)}, after ${at_(run.steps[place])} steps: ${said.join(", ")}`);
  } };
}

/** The card of a model that has no film: why. */
function dark(model) {
  const card = cardOf(model);
  card.append(element("p", "note", lacking(model, scene.capacity)
    || `Of task seed ${scene.task}, seed ${scene.seed} no matrices along training were kept.`));
  return card;
}

function stop() {
  clearInterval(playing);
  playing = null;
  $("#film-play").textContent = "▶ play";
}

async function project() {
  if (!cinema) return;
  const asked = [chosen.setting, chosen.rules].join();
  const of = (await filmed()).filter((run) => run.R === chosen.rules);
  if (asked !== [chosen.setting, chosen.rules].join()) return; // another choice came in between
  $("#choose-film").hidden = !of.length;
  $(".nothing", cinema.parentElement).hidden = of.length > 0;
  cinema.replaceChildren();
  if (!of.length) stop();
  else {
    scene.capacity = options($("#film-capacity"), distinct(of, "capacity"), scene.capacity);
    const fitting = of.filter((run) => run.capacity === scene.capacity);
    scene.task = options($("#film-task"), distinct(fitting, "task"), scene.task);
    const ofTask = fitting.filter((run) => run.task === scene.task);
    scene.seed = options($("#film-seed"), distinct(ofTask, "seed"), scene.seed);
    const runs = ofTask.filter((run) => run.seed === scene.seed && !chosen.hidden.has(run.model));
    const screens = [];
    for (const model of modular()) {
      const run = runs.find((one) => one.model === model);
      if (run) screens.push(screen(run));
      cinema.append(run ? screens.at(-1).card : dark(model));
    }
    const steps = [...new Set(runs.flatMap((run) => run.steps))].sort((a, b) => a - b);
    const slider = $("#film-step");
    slider.max = Math.max(0, steps.length - 1);
    slider.value = Math.min(scene.place, slider.max);
    const show = () => {
      const step = steps[Number(slider.value)] ?? 0;
      const words = `after ${at_(step)} step${step === 1 ? "" : "s"}`;
      $("#film-at").textContent = words;
      slider.setAttribute("aria-valuetext", words);
      for (const one of screens) one.show(step);
    };
    slider.oninput = () => { scene.place = Number(slider.value); show(); };
    show();
  }
  cinema.dataset.shown = asked;
}

/** Runs the slider from where it is, or from the start again, to its end. */
function play() {
  if (playing) return stop();
  const slider = $("#film-step");
  const move = (place) => { slider.value = place; slider.oninput(); };
  if (slider.value === slider.max) move(0);
  $("#film-play").textContent = "❚❚ pause";
  playing = setInterval(() => {
    move(Number(slider.value) + 1);
    if (slider.value === slider.max) stop();
  }, MOMENT);
}

if (cinema) {
  for (const [id, name] of [["film-capacity", "capacity"], ["film-task", "task"], ["film-seed", "seed"]]) {
    $(`#${id}`).addEventListener("change", (event) => { scene[name] = Number(event.target.value); project(); });
  }
  $("#film-play").addEventListener("click", play);
  listeners.push(() => {
    if (chosen.capacity) scene.capacity = chosen.capacity;
    project();
  });
}
