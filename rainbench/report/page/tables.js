// Tables: a data set's cells beside the published ones, and every entry on every data set.

function ranks(cells, metric) {
  const shown = (cell) => Number(fixed(value(cell[metric]), DIGITS[metric]));
  const levels = [...new Set(cells.filter((cell) => cell[metric] !== null).map(shown))].sort((a, b) => b - a);
  return (cell) => (cell[metric] === null ? "" : ["best", "second"][levels.indexOf(shown(cell))] ?? "");
}

function intervalText(cell, index, digits) {
  const interval = cell.interval?.[index];
  return interval ? `[${text(interval[0], digits)}, ${text(interval[1], digits)}]` : "";
}

function measured(metric, index) {
  return (cell, context) => el("td", {}, el("span", { class: context.rank[metric](cell) }, text(cell[metric], DIGITS[metric])),
    index === 0 && context.shared.has(cell.group) ? el("sup", {}, cell.group) : null,
    el("span", { class: "interval" }, intervalText(cell, index, DIGITS[metric])));
}

function stateCell(cell) {
  const mark = el("span", { class: "state", "data-state": cell.state }, cell.state);
  if (!cell.note) return el("td", { class: "text" }, mark);
  return el("td", { class: "text" }, el("details", {}, el("summary", { title: cell.note }, mark), el("p", {}, cell.note)));
}

const COLUMNS = [
  { name: "entry", key: (c) => c.entry, cell: (c) => el("th", { scope: "row", title: c.entry }, nameOf(c.entry)) },
  { name: "PSNR (dB)", key: (c) => value(c.psnr), cell: measured("psnr", 0) },
  { name: "SSIM", key: (c) => value(c.ssim), cell: measured("ssim", 1) },
  { name: "reported", key: (c) => c.reported?.values[0] ?? null,
    cell: (c) => el("td", {}, c.reported ? c.reported.texts.map((each) => each || "–").join(" / ") : "") },
  { name: "difference", key: (c) => difference(c, 0),
    cell: (c) => el("td", {}, c.reported && c.psnr !== null ? pairText(difference(c, 0), difference(c, 1), true) : "") },
  { name: "reported in", key: (c) => c.reported?.where ?? null, cell: (c) => el("td", { class: "text" }, c.reported?.where ?? ""), left: true },
  { name: "state", key: (c) => c.state, cell: stateCell, left: true },
  { name: "parameters", key: (c) => COSTS.parameters.of(c), cell: (c) => el("td", {}, short(COSTS.parameters.of(c))) },
  { name: "FLOPs", key: (c) => COSTS.operations.of(c), cell: (c) => el("td", {}, short(COSTS.operations.of(c))) },
  { name: "peak MB", key: (c) => c.peak, cell: (c) => el("td", {}, c.peak ? (c.peak / 1e6).toFixed(0) : "") },
  { name: "s / image", key: (c) => c.seconds, cell: (c) => el("td", {}, c.seconds === null ? "" : c.seconds.toPrecision(3)) },
];

// A column for each metric beside the protocols.
function metricColumns(metrics, cells) {
  return metrics.map(({ name, heading, title, higher_is_better: better, digits }) => {
    const mean = (cell) => cell.metrics[name]?.mean ?? null;
    const shown = (cell) => Number(fixed(value(mean(cell)), digits));
    const levels = [...new Set(cells.filter((cell) => mean(cell) !== null).map(shown))].sort((a, b) => (better ? b - a : a - b));
    const rank = (cell) => (better === null || levels.length < 2 ? "" : ["best", levels.length > 2 ? "second" : ""][levels.indexOf(shown(cell))] ?? "");
    return { name: heading, title, key: (cell) => value(mean(cell)), cell: (cell) => {
      const problem = cell.metrics[name]?.problem;
      if (problem) return el("td", { class: "text" }, el("details", {}, el("summary", {}, "failed"), el("p", {}, problem)));
      return el("td", {}, mean(cell) === null ? "" : el("span", { class: rank(cell) }, text(mean(cell), digits)));
    } };
  });
}

function difference(cell, index) {
  const metric = ["psnr", "ssim"][index], reported = cell.reported?.values[index] ?? null;
  return reported === null || cell[metric] === null ? null : value(cell[metric]) - reported;
}

function compare(one, other) {
  if (one === other) return 0;
  if (one === null || one === undefined) return 1;
  if (other === null || other === undefined) return -1;
  return typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other;
}

// Rows in order of a key; those that have none come last either way.
function sorted(items, key, descending) {
  return [...items].sort((a, b) => {
    const order = compare(key(a), key(b));
    const missing = [a, b].some((item) => [null, undefined].includes(key(item)));
    return descending && !missing ? -order : order;
  });
}

function datasetTable(dataset, state, redraw) {
  let cells = dataset.cells.filter((cell) => cell.protocol === state.protocol);
  if (state.view === "paper") cells = cells.filter((cell) => cell.own || cell.reported);
  const absent = cells.filter((cell) => cell.psnr === null && cell.ssim === null && cell.state === "missing");
  cells = cells.filter((cell) => !absent.includes(cell));
  const filled = (each) => cells.some((cell) => each.key(cell) ?? null);
  const kept = COLUMNS.filter((each, index) => index < 3 || filled(each));
  const columns = [...kept.slice(0, 3), ...metricColumns(dataset.metrics, cells), ...kept.slice(3)];
  const column = columns[state.sort] ?? columns[1];
  cells = sorted(cells, column.key, state.descending);
  const letters = cells.flatMap((cell) => [...(cell.group ?? "")]);
  const isShared = (letter) => letters.filter((other) => other === letter).length > 1;
  const shared = new Set(cells.map((cell) => cell.group).filter((group) => [...(group ?? "")].some(isShared)));
  const context = { shared, rank: { psnr: ranks(cells, "psnr"), ssim: ranks(cells, "ssim") } };
  const head = columns.map((each, index) => el("th", {
    scope: "col", class: each.left ? "text" : "",
    "aria-sort": index !== state.sort ? "none" : state.descending ? "descending" : "ascending",
  }, el("button", { type: "button", onclick: () => redraw({
    sort: index, descending: index === state.sort ? !state.descending : index > 0 && !each.left,
  }, index), title: each.title ?? null }, each.name)));
  const about = cells.some((cell) => cell.interval)
    ? "Bold: best, underlined: second best. In brackets: 95 % bootstrap interval of the mean over images. Paired Wilcoxon tests with Holm's correction (5 %) do not tell apart entries that share a letter; those without one differ from all. Click a state for its reason."
    : "Bold: best, underlined: second best.";
  return [el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Results on ${dataset.title}` },
    el("table", {}, el("caption", {}, el("span", {}, about)), el("thead", {}, el("tr", {}, head)),
      el("tbody", {}, cells.map((cell) => el("tr", {}, columns.map((each) => each.cell(cell, context))))))),
  ...notRun(absent.map((cell) => [cell.entry, cell.reported ? ` (${cell.reported.where}: ${cell.reported.texts.map((each) => each || "–").join(" / ")})` : "", cell.note]))];
}

// What was not run, folded away: names with what is to be said of each.
function notRun(entries) {
  if (!entries.length) return [];
  return [el("details", { class: "absent" }, el("summary", {}, `${entries.length} ${entries.length === 1 ? "entry was" : "entries were"} not run`),
    el("ul", {}, entries.map(([entry, beside, note]) => el("li", {}, nameOf(entry), beside, el("span", { class: "soft" }, note ? `: ${note}` : "")))))];
}

function crossTable(state, redraw) {
  const defaults = report.datasets.map((dataset) => new Map(dataset.cells
    .filter((cell) => cell.protocol === dataset.default_protocol).map((cell) => [cell.entry, cell])));
  const rank = defaults.map((cells) => ({ psnr: ranks([...cells.values()], "psnr"), ssim: ranks([...cells.values()], "ssim") }));
  const title = (name, index) => el("th", {
    scope: "col", "aria-sort": index !== state.sort ? "none" : state.descending ? "descending" : "ascending",
  }, el("button", { type: "button", onclick: () => redraw({
    sort: index, descending: index === state.sort ? !state.descending : index > 0,
  }, index) }, name));
  const head = [title("entry", 0), ...report.datasets.map((dataset, index) => title(dataset.title, index + 1))];
  const key = (entry) => {
    if (state.sort === 0) return entry;
    const cell = defaults[state.sort - 1].get(entry);
    return cell ? value(cell.psnr) ?? cell.ssim : null;
  };
  const hasRun = (entry) => defaults.some((cells) => cells.has(entry) && cells.get(entry).state !== "missing");
  const absent = Object.keys(report.entries).filter((entry) => !hasRun(entry));
  const entries = sorted(Object.keys(report.entries).filter(hasRun), key, state.descending);
  const rows = entries.map((entry) => el("tr", {},
    el("th", { scope: "row", title: entry }, nameOf(entry)),
    defaults.map((cells, index) => {
      const cell = cells.get(entry);
      if (!cell) return el("td", { class: "soft", title: "not in this run" }, "–");
      if (cell.psnr === null && cell.ssim === null) return el("td", { title: cell.note, class: "soft" }, cell.state === "missing" ? "–" : cell.state);
      return el("td", { title: cell.own ? "trained for this data set" : null },
        el("span", { class: rank[index].psnr(cell) }, text(cell.psnr, DIGITS.psnr) || "–"), " / ",
        el("span", { class: rank[index].ssim(cell) }, text(cell.ssim, DIGITS.ssim) || "–"),
        el("span", { class: "own" }, cell.own && entry.includes(".") ? "*" : ""));
    })));
  return [el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Every entry on every data set" },
    el("table", {}, el("caption", {}, el("span", {}, "PSNR in dB / SSIM under each data set's default protocol; bold: best, underlined: second best of a data set; * trained for it.")),
      el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows))),
  ...notRun(absent.map((entry) => [entry, "", ""]))];
}
