// A trace's page: the layer that the reader has chosen, and what is drawn of it.
const store = JSON.parse($("#store").textContent);
const unpacked = new Map();
const FIRST = 24; // experts that are listed before somebody asks for all
let chosen = -1;

/** The numbers of a layer, unpacked when they are first asked for. */
async function numbersOf(layer) {
  if (!unpacked.has(layer)) {
    unpacked.set(layer, JSON.parse(new TextDecoder().decode(await inflated($(`#layer${layer}`).textContent))));
  }
  return unpacked.get(layer);
}

const percent = (share) => `${(100 * share).toPrecision(share >= 0.1 ? 3 : 2)} %`;
const times = (share) => `${(share * store.num_experts).toFixed(2)} × fair`;
const ownerOf = (data, m) => (data.owner[m] < 0 ? "none" : store.labels[data.owner[m]]);

/** A table whose first columns are `texts`, the others numbers; on a phone every row becomes a block, in which each cell stands beside its heading. */
function tableOf(heads, texts, rows) {
  const table = element("table", "facts stack"), head = table.createTHead().insertRow(), body = table.createTBody();
  heads.forEach((title, at) => head.append(element("th", at < texts ? "" : "n", title)));
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((content, at) => {
      const cell = row.appendChild(element(at ? "td" : "th", at < texts ? "" : "n", content));
      if (!at) cell.scope = "row";
      cell.dataset.label = heads[at];
    });
  }
  return table;
}

/** Experts and labels: a row per label, experts in the order of their owners. */
function drawMatrix(data) {
  const R = store.labels.length, M = store.num_experts;
  const share = (r, m) => data.shares[r][m] / store.million;
  const { whole, show } = heatmap(R, M, {
    size: `${R} label${R === 1 ? "" : "s"} down, ${M} experts across`,
    entry: (r, m) => `${store.labels[r]}, expert ${data.experts[m]} (owner ${ownerOf(data, m)}): ${percent(share(r, m))} of the label's slots, ${times(share(r, m))}`,
    down: { name: (r) => store.labels[r], most: 64 },
    across: { name: (m) => data.experts[m], most: innerWidth < 740 ? 8 : 32 },
  });
  whole.style.setProperty("--rows", R);
  const entries = data.shares.flat().map((part) => Math.round((255 * part) / store.million / store.top));
  show({ R, M, entries }, `Layer ${store.layers[chosen]}: ${R} labels and ${M} experts`);
  $("#matrix").replaceChildren(whole);
}

function listLabels(data) {
  const rows = data.labels.map((label) => [label.name, label.tokens.toLocaleString("en"), label.experts, percent(label.own), percent(label.others)]);
  $("#of-labels").replaceChildren(tableOf(["Label", "Tokens", "Experts it owns", "Their share of its slots", "Their share of others' slots"], 1, rows));
}

/** Which experts serve what: the first ones, and all if somebody asks. */
function listExperts(data, most = FIRST) {
  const rows = data.experts.map((expert, m) => {
    const column = data.shares.map((row) => row[m]), all = column.reduce((sum, part) => sum + part, 0);
    const owner = data.owner[m], load = data.load[m] / store.million;
    const own = owner < 0 || !all ? 0 : column[owner] / all;
    return { own, load, cells: [`${expert}`, all ? ownerOf(data, m) : "no slot", percent(own), percent(load), (load * store.num_experts).toFixed(2)] };
  });
  rows.sort((a, b) => b.own - a.own || b.load - a.load);
  const place = $("#of-experts");
  place.replaceChildren(tableOf(["Expert", "Owner", "Share", "Load", "Load over a fair share"], 2, rows.slice(0, most).map((row) => row.cells)));
  if (rows.length > most) {
    const more = place.appendChild(element("div", "all pickers")).appendChild(element("button", "", `Show all ${rows.length} experts`));
    more.type = "button";
    more.addEventListener("click", () => listExperts(data, Infinity));
  }
}

function drawPairs(data) {
  if (!$("#pairs")) return;
  const E = store.num_experts, name = (m) => data.experts[m];
  const { whole, show } = heatmap(E, E, {
    size: `${E} experts down, ${E} across`,
    entry: (i, j) => (i === j ? `expert ${name(i)}` : `of the tokens of expert ${name(i)}, expert ${name(j)} serves ${percent(data.together[i][j] / 1000)}`),
    down: { name, most: 16 },
    across: { name, most: 16 },
  });
  const entries = data.together.flatMap((row, i) => row.map((part, j) => (i === j ? 0 : Math.round((255 * part) / 1000))));
  show({ R: E, M: E, entries }, `Layer ${store.layers[chosen]}: experts that serve the same tokens`);
  $("#pairs").replaceChildren(whole);
  const rows = data.pairs.map(([a, b, index]) => [`${a} and ${b}`, index.toFixed(3)]);
  $("#of-pairs").replaceChildren(tableOf(["Experts", "Jaccard's index"], 1, rows));
}

/** Shows a layer everywhere. */
async function choose(layer) {
  document.documentElement.dataset.ready = "false";
  chosen = layer;
  const data = await numbersOf(layer);
  if (chosen !== layer) return; // the reader has chosen another one meanwhile
  $("#layer").value = layer;
  for (const line of $$("[data-chosen-layer]")) line.textContent = `Layer ${store.layers[layer]}`;
  for (const dot of $$(".dot[data-layer]")) dot.setAttribute("aria-current", String(Number(dot.dataset.layer) === layer));
  drawMatrix(data);
  listLabels(data);
  listExperts(data);
  drawPairs(data);
  document.documentElement.dataset.ready = "true";
}

function start() {
  theme();
  menu();
  const count = store.layers.length;
  $("#choose").hidden = count < 2;
  $("#layer").addEventListener("change", (event) => choose(Number(event.target.value)));
  $("#before").addEventListener("click", () => choose((chosen + count - 1) % count));
  $("#after").addEventListener("click", () => choose((chosen + 1) % count));
  const dotOf = (event) => event.target.closest(".dot");
  const line = $("#pointed");
  $("#layers").addEventListener("pointerover", (event) => { if (dotOf(event)) line.textContent = dotOf(event).dataset.words; });
  $("#layers").addEventListener("click", (event) => { if (dotOf(event)) choose(Number(dotOf(event).dataset.layer)); });
  choose(store.first);
}
