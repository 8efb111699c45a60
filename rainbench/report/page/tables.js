// Tables: a data set's cells beside the published ones, and every entry on every data set.

function ranks(cells, metric) {
  const shown = (cell) => Number(value(cell[metric]).toFixed(DIGITS[metric]));
  const levels = [...new Set(cells.filter((cell) => cell[metric] !== null).map(shown))].sort((a, b) => b - a);
  return (cell) => (cell[metric] === null ? "" : ["best", "second"][levels.indexOf(shown(cell))] ?? "");
}

function intervalText(cell, index, digits) {
  const interval = cell.interval?.[index];
  return interval ? `[${text(interval[0], digits)}, ${text(interval[1], digits)}]` : "";
}

function measured(metric, index) {
  return (cell, context) => el("td", { class: context.rank[metric](cell) }, text(cell[metric], DIGITS[metric]),
    index === 0 && context.shared.has(cell.group) ? el("sup", {}, cell.group) : null,
    el("span", { class: "interval" }, intervalText(cell, index, DIGITS[metric])));
}

function stateCell(cell) {
  const mark = el("span", { class: "state", "data-state": cell.state }, cell.state);
  if (!cell.note) return el("td", { class: "text" }, mark);
  return el("td", { class: "text" }, el("details", {}, el("summary", { title: cell.note }, mark), el("p", {}, cell.note)));
}

const COLUMNS = [
  { name: "entry", key: (c) => c.entry, cell: (c) => el("th", { scope: "row", title: c.entry }, el("bdi", {}, c.entry)) },
  { name: "PSNR", key: (c) => value(c.psnr), cell: measured("psnr", 0) },
  { name: "SSIM", key: (c) => value(c.ssim), cell: measured("ssim", 1) },
  { name: "reported", key: (c) => c.reported?.[0] ?? null,
    cell: (c) => el("td", {}, c.reported ? `${text(c.reported[0], 2) || "-"} / ${text(c.reported[1], 4) || "-"}` : "") },
  { name: "difference", key: (c) => difference(c, 0),
    cell: (c) => el("td", {}, c.reported && c.psnr !== null ? `${text(difference(c, 0), 2, true) || "-"} / ${text(difference(c, 1), 4, true) || "-"}` : "") },
  { name: "reported in", key: (c) => c.reported?.[2] ?? null, cell: (c) => el("td", { class: "text" }, c.reported?.[2] ?? ""), left: true },
  { name: "state", key: (c) => c.state, cell: stateCell, left: true },
  { name: "parameters", key: (c) => report.entries[c.entry].parameters, cell: (c) => el("td", {}, short(report.entries[c.entry].parameters)) },
  { name: "operations", key: (c) => report.entries[c.entry].operations, cell: (c) => el("td", {}, short(report.entries[c.entry].operations)) },
  { name: "s / image", key: (c) => c.seconds, cell: (c) => el("td", {}, c.seconds === null ? "" : c.seconds.toPrecision(2)) },
];

function difference(cell, index) {
  const metric = ["psnr", "ssim"][index];
  if (!cell.reported || cell.reported[index] === null || cell[metric] === null) return null;
  return value(cell[metric]) - cell.reported[index];
}

function compare(one, other) {
  if (one === other) return 0;
  if (one === null || one === undefined) return 1;
  if (other === null || other === undefined) return -1;
  return typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other;
}

function datasetTable(dataset, state, redraw) {
  let cells = dataset.cells.filter((cell) => cell.protocol === state.protocol);
  if (state.view === "paper") cells = cells.filter((cell) => cell.own || cell.reported);
  const column = COLUMNS[state.sort];
  cells = [...cells].sort((a, b) => {
    const order = compare(column.key(a), column.key(b));
    const missing = [a, b].some((cell) => [null, undefined].includes(column.key(cell)));
    return state.descending && !missing ? -order : order;
  });
  const letters = cells.flatMap((cell) => [...(cell.group ?? "")]);
  const isShared = (letter) => letters.filter((other) => other === letter).length > 1;
  const shared = new Set(cells.map((cell) => cell.group).filter((group) => [...(group ?? "")].some(isShared)));
  const context = { shared, rank: { psnr: ranks(cells, "psnr"), ssim: ranks(cells, "ssim") } };
  const head = COLUMNS.map((each, index) => el("th", {
    scope: "col", class: each.left ? "text" : "",
    "aria-sort": index !== state.sort ? "none" : state.descending ? "descending" : "ascending",
  }, el("button", { type: "button", onclick: () => redraw({
    sort: index, descending: index === state.sort ? !state.descending : index > 0 && !each.left,
  }, index) }, each.name)));
  const about = cells.some((cell) => cell.interval)
    ? "Bold: best, underlined: second best. In brackets: 95 % bootstrap interval of the mean over images. Paired Wilcoxon tests with Holm's correction (5 %) do not tell apart entries that share a letter; those without one differ from all."
    : "Bold: best, underlined: second best.";
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Results on ${dataset.title}` },
    el("table", {}, el("caption", {}, el("span", {}, about)), el("thead", {}, el("tr", {}, head)),
      el("tbody", {}, cells.map((cell) => el("tr", {}, COLUMNS.map((each) => each.cell(cell, context)))))));
}

function crossTable() {
  const customary = report.datasets.map((dataset) => new Map(dataset.cells
    .filter((cell) => cell.protocol === dataset.customary).map((cell) => [cell.entry, cell])));
  const rank = customary.map((cells) => ranks([...cells.values()], "psnr"));
  const head = [el("th", { scope: "col" }, "entry"), ...report.datasets.map((dataset) =>
    el("th", { scope: "col" }, el("a", { href: `#${dataset.anchor}` }, dataset.title)))];
  const rows = Object.keys(report.entries).map((entry) => el("tr", {},
    el("th", { scope: "row", title: entry }, el("bdi", {}, entry)),
    customary.map((cells, index) => {
      const cell = cells.get(entry);
      if (!cell) return el("td", {});
      if (cell.psnr === null && cell.ssim === null) return el("td", { title: cell.note, class: "soft" }, cell.state);
      return el("td", { class: rank[index](cell), title: cell.own ? "trained for this data set" : null },
        `${text(cell.psnr, 2) || "-"} / ${text(cell.ssim, 4) || "-"}${cell.own && entry.includes(".") ? " *" : ""}`);
    })));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Every entry on every data set" },
    el("table", {}, el("caption", {}, el("span", {}, "PSNR in dB / SSIM under each data set's customary protocol. * trained for this data set.")),
      el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
}
