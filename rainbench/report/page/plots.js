// Plots as SVG: scores per image as shapes with boxes, and score against cost.

function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * step; at += step) found.push(at);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function distributionPlot(dataset, protocol, metric) {
  const data = dataset.distributions[protocol]?.[metric];
  if (!data) return el("p", { class: "soft" }, `${protocol} has no ${UNIT[metric]} here.`);
  const entries = Object.entries(data.entries).sort((a, b) => b[1].quantiles[2] - a[1].quantiles[2]);
  const [low, high] = data.range;
  const width = NARROW.matches ? 360 : 640, row = 30, top = 8, bottom = top + row * entries.length;
  const label = entries.map(([name]) => twoLines(name, NARROW.matches ? 17 : 24));
  const left = Math.min(width * 0.45, 16 + 6.8 * Math.max(...label.flat().map((part) => part.length)));
  const x = (score) => left + ((score - low) / (high - low || 1)) * (width - left - 14);
  const axis = ticks(low, high, NARROW.matches ? 4 : 6);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${bottom + 36}`, role: "img",
    "aria-label": `${UNIT[metric]} of each image under ${protocol}, a row per entry` },
    axis.found.map((at) => [
      svg("line", { class: "grid", x1: x(at), x2: x(at), y1: top, y2: bottom }),
      svg("text", { x: x(at), y: bottom + 14, "text-anchor": "middle" }, at.toFixed(axis.digits))]),
    svg("text", { x: (left + width) / 2, y: bottom + 31, "text-anchor": "middle" }, UNIT[metric]),
    entries.map(([name, each], index) => {
      const middle = top + row * (index + 0.5);
      const most = Math.max(...each.counts), step = (high - low) / each.counts.length;
      const half = (count) => (count / most) * row * 0.42;
      const along = each.counts.map((count, n) => [x(low + (n + 0.5) * step), half(count)]);
      const points = [...along.map(([at, by]) => `${at},${middle - by}`), ...along.reverse().map(([at, by]) => `${at},${middle + by}`)];
      const [p5, p25, p50, p75, p95] = each.quantiles.map(x);
      const say = `${name}: median ${text(each.quantiles[2], DIGITS[metric])}, half of the images between ${text(each.quantiles[1], DIGITS[metric])} and ${text(each.quantiles[3], DIGITS[metric])}, all between ${text(each.ends[0], DIGITS[metric])} and ${text(each.ends[1], DIGITS[metric])}`;
      return svg("g", {}, svg("title", {}, say),
        label[index].map((part, line) => svg("text", { class: "name", x: left - 8, "text-anchor": "end",
          y: middle + 4 + (line - (label[index].length - 1) / 2) * 12 }, part)),
        each.points
          ? each.points.map((score) => svg("circle", { class: "one", cx: x(score), cy: middle, r: 4 }))
          : [svg("polygon", { class: "shape", points: points.join(" ") }),
            svg("line", { class: "box", x1: p5, x2: p95, y1: middle, y2: middle }),
            svg("rect", { class: "box", x: p25, width: Math.max(0, p75 - p25), y: middle - 5, height: 10 })],
        svg("line", { class: "median", x1: p50, x2: p50, y1: middle - 7, y2: middle + 7 }),
        each.points ? null : each.ends.map((end) => svg("circle", { class: "end", cx: x(end), cy: middle, r: 2 })));
    }));
  return el("figure", {}, picture, el("figcaption", { class: "soft" },
    entries.some(([, each]) => each.points) ? "A dot for each image; line: the median."
      : "Shape: how many images score so; box: the middle half with the median; line: 5 to 95 %; dots: the worst and the best image."));
}

// A name in one line, or in two where it is too long, parted at a dot, dash or underscore.
function twoLines(name, longest) {
  if (name.length <= longest) return [name];
  const cuts = [...name.matchAll(/[._-]/g)].map((found) => found.index + 1);
  const cut = cuts.sort((a, b) => Math.abs(a - name.length / 2) - Math.abs(b - name.length / 2))[0] ?? Math.ceil(name.length / 2);
  return [name.slice(0, cut), name.slice(cut)];
}

const COSTS = {
  seconds: { title: "seconds per image", of: (cell) => cell.seconds },
  parameters: { title: "parameters", of: (cell) => report.entries[cell.entry].parameters },
  operations: { title: `FLOPs at ${report.cost_side}x${report.cost_side}, 2 per multiply-add`, of: (cell) => report.entries[cell.entry].operations },
  peak: { title: `bytes of memory at ${report.cost_side}x${report.cost_side}`, of: (cell) => cell.peak },
};

const tickText = (number) => {
  const [size, letter] = [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([each]) => number >= each) ?? [1, ""];
  return `${Number((number / size).toPrecision(3))}${letter}`;
};

function machines(dataset) {
  return new Set(dataset.provenance.map(({ how }) => [how.device, how.threads, how.torch].join()));
}

function costPlot(dataset, { protocol, metric, cost }) {
  const { title, of: costOf } = COSTS[cost];
  // Methods without parameters lie far from all networks and would squeeze them together.
  const points = dataset.cells.filter((cell) => cell.protocol === protocol && COSTS.parameters.of(cell) > 0 && costOf(cell) > 0 && Number.isFinite(cell[metric] ?? NaN));
  if (points.length < 2) return el("p", { class: "soft" }, "Fewer than two networks to plot.");
  const xs = points.map((cell) => Math.log10(costOf(cell))), ys = points.map((cell) => cell[metric]);
  const pad = (low, high, by) => [low - (high - low || 1) * by, high + (high - low || 1) * by];
  const [x0, x1] = pad(Math.min(...xs), Math.max(...xs), 0.12), [y0, y1] = pad(Math.min(...ys), Math.max(...ys), 0.1);
  const [width, height] = NARROW.matches ? [360, 300] : [640, 360], left = 58, bottom = height - 44;
  const x = (at) => left + ((at - x0) / (x1 - x0)) * (width - left - 12);
  const y = (at) => bottom - ((at - y0) / (y1 - y0)) * (bottom - 12);
  const side = ticks(y0, y1, 6), along = [];
  for (let power = Math.floor(x0); power <= x1; power += 1) {
    for (const factor of x1 - x0 > 2 ? [1] : x1 - x0 > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7]) {
      const at = power + Math.log10(factor);
      if (at >= x0 && at <= x1) along.push([at, factor * 10 ** power]);
    }
  }
  const taken = [];
  const place = (cell, index) => {
    const wide = cell.entry.length * 6.6, at = [x(xs[index]), y(ys[index])];
    for (const [dx, dy, anchor] of [[8, 4, "start"], [-8, 4, "end"], [0, -9, "middle"], [0, 18, "middle"], [-6, -9, "start"], [6, -9, "end"], [-6, 18, "start"], [6, 18, "end"]]) {
      const from = at[0] + dx - (anchor === "end" ? wide : anchor === "middle" ? wide / 2 : 0);
      const box = [from, at[1] + dy - 11, from + wide, at[1] + dy + 3];
      if (box[0] > left && box[2] < width && !taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3])) {
        taken.push(box);
        return svg("text", { class: "name", x: at[0] + dx, y: at[1] + dy, "text-anchor": anchor }, cell.entry);
      }
    }
    return null;
  };
  points.forEach((_, index) => taken.push([x(xs[index]) - 6, y(ys[index]) - 6, x(xs[index]) + 6, y(ys[index]) + 6]));
  const about = [
    points.some((cell) => !cell.own) ? "Hollow: not trained for this data set." : "",
    cost === "seconds" && machines(dataset).size > 1 ? "The times are not all of one machine and one number of threads: do not compare them." : "",
  ];
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${UNIT[metric]} against ${title}, logarithmic; the numbers are in the table` },
    side.found.map((at) => [svg("line", { class: "grid", x1: left, x2: width - 12, y1: y(at), y2: y(at) }),
      svg("text", { x: left - 6, y: y(at) + 4, "text-anchor": "end" }, at.toFixed(side.digits))]),
    along.map(([at, number]) => [svg("line", { class: "grid", x1: x(at), x2: x(at), y1: 12, y2: bottom }),
      svg("text", { x: x(at), y: bottom + 16, "text-anchor": "middle" }, tickText(number))]),
    svg("text", { x: (left + width) / 2, y: height - 8, "text-anchor": "middle" }, `${title} (logarithmic)`),
    svg("text", { x: 14, y: bottom / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${bottom / 2})` }, UNIT[metric]),
    points.map((cell, index) => svg("circle", { class: cell.own ? "point" : "point cross", cx: x(xs[index]), cy: y(ys[index]), r: 5 },
      svg("title", {}, `${cell.entry}: ${text(cell[metric], DIGITS[metric])}, ${short(costOf(cell)) || costOf(cell)} ${title}${cell.own ? "" : ", not trained for this data set"}`))),
    points.map(place));
  return el("figure", {}, picture, el("figcaption", { class: "soft" }, about.filter(Boolean).join(" ")));
}
