// What every page has, whatever it is about: its theme, its menu, and what Python has packed.
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** An element of a page. */
const element = (tag, className, textContent = "") => Object.assign(document.createElement(tag), { className, textContent });

/** A select's options, keeping what is selected where it is still there. */
function options(select, values, wanted) {
  const value = values.includes(wanted) ? wanted : values[0];
  select.replaceChildren(...values.map((one) => new Option(one, one, false, one === value)));
  return value;
}

/** The bytes of a text that Python has packed. */
async function inflated(packed) {
  const letters = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([letters]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
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
