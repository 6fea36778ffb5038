// How a matrix of shares is drawn, wherever one stands on a page.

const painted = new Map();

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

/** The names along a side: all, or every second, fourth, … where they would be more than `most`. */
function namesAlong(count, side, { name, most }) {
  const line = element("span", side);
  line.setAttribute("aria-hidden", "true");
  for (let k = 0; k < count; k += 2 ** Math.max(0, Math.ceil(Math.log2(count / most)))) {
    line.appendChild(element("i", "", name(k))).style.setProperty("--at", (k + 0.5) / count);
  }
  return line;
}

/**
 * A large matrix, and a line below it that says which entry the pointer is at, or the arrow keys. `show` draws one.
 * `words` has `size`, the line where no entry is pointed at; `entry(r, m, byte)`, the line of an entry; and for each side,
 * `down` and `across`, `name(k)` and how many names there are at `most`.
 */
function heatmap(R, M, words) {
  const whole = element("div", "heat"), frame = element("div", "canvas"), cell = element("i", "cell");
  const canvas = element("canvas", "large"), note = element("p", "note pointed");
  canvas.setAttribute("role", "img");
  canvas.tabIndex = 0;
  note.setAttribute("aria-live", "polite");
  frame.append(canvas, cell);
  whole.append(namesAlong(M, "across", words.across), namesAlong(R, "down", words.down), frame, note);
  let at = null, shown = null;
  const say = () => {
    cell.hidden = !at;
    if (!at) note.textContent = words.size;
    else {
      const [r, m] = at;
      Object.assign(cell.style, { left: `${(100 * m) / M}%`, top: `${(100 * r) / R}%`, width: `${100 / M}%`, height: `${100 / R}%` });
      note.textContent = words.entry(r, m, shown.entries[r * M + m]);
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
