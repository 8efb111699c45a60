// Puts the page together.

report.datasets.forEach((dataset, index) => { dataset.anchor = `dataset-${index}`; });

function extremeList(name, list, metric, shown) {
  return el("div", {}, el("h4", {}, name), el("ol", {}, list.map((item) => el("li", {},
    shown.has(item.image) ? el("button", { type: "button", "data-image": item.image }, "image ", el("bdi", {}, item.image)) : ["image ", el("bdi", {}, item.image)],
    el("span", { class: "soft" }, `: ${text(item.mean, DIGITS[metric])}${metric === "psnr" ? " dB" : ""}`)))));
}

function provenance(dataset) {
  return el("details", {}, el("summary", {}, "How it was computed"), dataset.provenance.map((way) => el("p", {},
    Object.entries(way.how).filter(([, how]) => how !== null && how !== "" && how !== 0).map(([name, how]) => `${name} ${how}`).join(", "),
    el("span", { class: "soft" }, `: ${way.entries.join(", ")}`))));
}

function datasetSection(dataset) {
  const state = { protocol: dataset.default_protocol, view: "paper", metric: "psnr", cost: "seconds", sort: 1, descending: true };
  const own = dataset.cells.some((cell) => cell.own || cell.reported);
  if (!own) state.view = "cross";
  const table = el("div"), shapes = el("div"), costs = el("div");
  function draw(focus) {
    table.replaceChildren(...datasetTable(dataset, state, (change, index) => { Object.assign(state, change); draw(index); }));
    shapes.replaceChildren(distributionPlot(dataset, state.protocol, state.metric));
    costs.replaceChildren(costPlot(dataset, state));
    if (focus !== undefined) table.querySelectorAll("thead button")[focus].focus();
  }
  const set = (name) => (chosen) => { state[name] = chosen; draw(); };
  const pictures = gallery(dataset);
  const shown = new Set((report.pictures[dataset.name] ?? []).map((item) => item.image));
  const extremes = dataset.extremes;
  const section = el("section", { id: dataset.anchor, "aria-labelledby": `${dataset.anchor}-title` },
    el("h2", { id: `${dataset.anchor}-title` }, dataset.title),
    el("p", { class: "about" }, `${dataset.images} ${dataset.images === 1 ? "image" : "images"}${dataset.variant ? `, the ${dataset.variant} copy` : ""}. Default protocol ${dataset.default_protocol}. Licence: ${dataset.licence.replace(/\.+$/, "")}.`),
    el("div", { class: "tools" },
      choice("protocol", Object.entries(report.protocols).map(([name, about]) => [name, `${name}: ${about.title}`]), state.protocol, set("protocol")),
      choice("rows", [["paper", "trained for it or reported"], ["cross", "every entry"]], state.view, set("view"))),
    table,
    el("h3", {}, "Spread over the images, and cost"),
    el("div", { class: "tools" }, choice("score", Object.entries(UNIT), state.metric, set("metric")),
      choice("against", Object.entries(COSTS).map(([key, { title }]) => [key, title]), state.cost, set("cost"))),
    el("div", { class: "plots" }, shapes, costs),
    extremes.hardest.length ? el("div", {}, el("h3", {}, `Hardest and easiest images, mean ${UNIT[extremes.metric]} over entries`),
      el("div", { class: "images", onclick: (event) => {
        const image = event.target.closest("[data-image]")?.dataset.image;
        if (image !== undefined) pictures.show(image);
      } }, extremeList("Hardest", extremes.hardest, extremes.metric, shown), extremeList("Easiest", extremes.easiest, extremes.metric, shown))) : null,
    el("h3", {}, "Pictures"), pictures, provenance(dataset));
  draw();
  NARROW.addEventListener("change", () => draw());
  return section;
}

document.getElementById("sections").append(...report.datasets.map((dataset) => el("a", { href: `#${dataset.anchor}` }, dataset.title)));
const { missing = 0, ...states } = report.states;
const counts = Object.entries(states).filter(([, count]) => count).map(([state, count]) => `${count} ${state}`);
document.getElementById("states").append(
  counts.length ? `Beside published numbers: ${counts.join(", ")}.` : "Nothing published to stand beside.",
  missing ? ` ${missing} published ${missing === 1 ? "number has" : "numbers have"} no result in this run.` : "");
function drawCross(state, focus) {
  const place = document.getElementById("cross");
  place.replaceChildren(...crossTable(state, drawCross));
  if (focus !== undefined) place.querySelectorAll("thead button")[focus].focus();
}
drawCross({ sort: report.datasets.length ? 1 : 0, descending: true });
// A data set's section is drawn when it comes near the window, so that a page of many opens at once.
const places = new Map(report.datasets.map((dataset) => [el("div", { id: dataset.anchor, style: "min-height:60rem" }), dataset]));
const watcher = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
  watcher.unobserve(target);
  target.replaceWith(datasetSection(places.get(target)));
}), { rootMargin: "800px" });
document.getElementById("datasets").append(...places.keys());
places.forEach((_, place) => watcher.observe(place));
window.addEventListener("beforeprint", () => places.forEach((dataset, place) => {
  if (place.isConnected) place.replaceWith(datasetSection(dataset));
}));
document.body.dataset.ready = "true";
