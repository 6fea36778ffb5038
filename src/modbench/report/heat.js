// How a matrix p(module | rule) is drawn, wherever one stands on the page.

const painted = new Map();
const MOST_NUMBERS = 8; // along a side of a large matrix

/** The colour of 1, as the theme has it; 0 is the paper. */
const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--heat").match(/[0-9a-f]{2}/gi).map((byte) => parseInt(byte, 16));

/** Draws a matrix. Colour grows as a power of p below 1, or the shares of many modules would all look like nothing. */
function paint(canvas, matrix, colour = ink()) {
  const { R, M, entries } = matrix;
  Object.assign(canvas, { width: M, height: R });
  const context = canvas.getContext("2d");
  const image = context.createImageData(M, R);
  entries.forEach((byte, place) => image.data.set([...colour, 255 * (byte / 255) ** store.heat_power], 4 * place));
  context.putImageData(image, 0, 0);
  painted.set(canvas, matrix);
}

/** Draws all matrices again, when the theme has changed or paper wants a light one. */
function repaint() {
  const colour = ink();
  for (const [canvas, matrix] of painted) {
    if (canvas.isConnected) paint(canvas, matrix, colour);
    else painted.delete(canvas);
  }
}
for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", repaint);

const element = (tag, className, textContent = "") => Object.assign(document.createElement(tag), { className, textContent });

/** The numbers along a side: all, or every second, fourth, … where they would be too many. */
function numbersAlong(count, side) {
  const line = element("span", side);
  line.setAttribute("aria-hidden", "true");
  for (let k = 0; k < count; k += 2 ** Math.max(0, Math.ceil(Math.log2(count / MOST_NUMBERS)))) {
    line.appendChild(element("i", "", k)).style.setProperty("--at", (k + 0.5) / count);
  }
  return line;
}

/** A large matrix, and a line below it that says which entry the pointer is at, or the arrow keys. `show` draws one. */
function heatmap(R, M) {
  const whole = element("div", "heat"), frame = element("div", "canvas"), cell = element("i", "cell");
  const canvas = element("canvas", "large"), note = element("p", "note pointed");
  canvas.setAttribute("role", "img");
  canvas.tabIndex = 0;
  note.setAttribute("aria-live", "polite");
  frame.append(canvas, cell);
  whole.append(numbersAlong(M, "across"), numbersAlong(R, "down"), frame, note);
  let at = null, shown = null;
  const say = () => {
    cell.hidden = !at;
    if (!at) note.textContent = `${R} rules down, ${M} modules across`;
    else {
      const [r, m] = at;
      Object.assign(cell.style, { left: `${(100 * m) / M}%`, top: `${(100 * r) / R}%`, width: `${100 / M}%`, height: `${100 / R}%` });
      note.textContent = `rule ${r}, module ${m}: p = ${(shown.entries[r * M + m] / 255).toFixed(3)}`;
    }
  };
  const go = (r, m) => { at = [Math.min(R - 1, Math.max(0, r)), Math.min(M - 1, Math.max(0, m))]; say(); };
  const leave = () => { at = null; say(); };
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    go(Math.floor(((event.clientY - box.top) / box.height) * R), Math.floor(((event.clientX - box.left) / box.width) * M));
  });
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && go(0, 0));
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    const [r, m] = at ?? [0, 0];
    go(r + by[0], m + by[1]);
  });
  const show = (matrix, label) => {
    shown = matrix;
    canvas.setAttribute("aria-label", label);
    paint(canvas, matrix);
    say();
  };
  return { whole, show };
}

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

/** A select's options, keeping what is selected where it is still there. */
function options(select, values, wanted) {
  const value = values.includes(wanted) ? wanted : values[0];
  select.replaceChildren(...values.map((one) => new Option(one, one, false, one === value)));
  return value;
}

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
