// The gallery: one image restored by every entry, two at a time, with a zoom box that all share.

function gallery(dataset) {
  const items = report.pictures[dataset.name] ?? [];
  if (!items.length) {
    return el("p", { class: "soft" }, "No pictures were drawn: give the folders of this data set and of the weights with ",
      el("code", {}, "--data"), " and ", el("code", {}, "--weights"), " when making the report.");
  }
  const root = el("div", { class: "gallery" });
  const state = { item: 0, left: "rainy", right: null, error: false, split: 50, zoom: { x: 0.4, y: 0.4, size: 0.2 } };
  const means = new Map(dataset.cells.filter((cell) => cell.protocol === dataset.default_protocol)
    .map((cell) => [cell.entry, value(cell.psnr) ?? cell.ssim]));

  // From the rainy picture to the clean one, in order of the means over all images.
  function sources(item) {
    const all = { rainy: { image: item.rainy, error: item.rainy_error, maps: [] } };
    const entries = sorted(Object.keys(item.entries), (entry) => means.get(entry), false);
    for (const entry of entries) if (entry !== "identity") all[`entry ${entry}`] = item.entries[entry];
    all.clean = { image: item.clean, error: null, maps: [] };
    return all;
  }
  const scoresOf = (item, key) => item.scores[key === "rainy" ? "identity" : title(key)];
  const best = (item) => Object.entries(item.scores).reduce(([name, most], [entry, [psnr, ssim]]) => {
    if (entry === "identity") return [name, most];
    const score = value(psnr) ?? ssim ?? -Infinity;
    return score > most ? [`entry ${entry}`, score] : [name, most];
  }, ["clean", -Infinity])[0];
  const title = (key) => (key.startsWith("entry ") ? key.slice(6) : key);

  function draw() {
    const item = items[state.item], all = sources(item), keys = Object.keys(all);
    if (!keys.includes(state.left)) state.left = "rainy";
    if (!keys.includes(state.right)) state.right = best(item);
    const caption = (key) => {
      if (key === "clean") return state.error ? "the picture itself" : "";
      const score = scoresOf(item, key);
      return score ? `${text(score[0], 2) || "-"} dB / ${text(score[1], 4) || "-"}` : "";
    };
    const file = (key) => (state.error && all[key].error ? all[key].error : all[key].image);
    const options = keys.map((key) => [key, title(key)]);
    const stage = el("div", { class: "stage", style: `--ratio:${item.width / item.height};--width:${item.width};--split:${state.split}%` },
      el("img", { src: file(state.left), alt: `${title(state.left)}, image ${item.image}` }),
      el("img", { class: "over", src: file(state.right), alt: `${title(state.right)}, image ${item.image}` }),
      el("div", { class: "line" }), el("div", { class: "zoom" }),
      el("span", { class: "tag left" }, `${title(state.left)} ${caption(state.left)}`),
      el("span", { class: "tag right" }, `${title(state.right)} ${caption(state.right)}`));
    const slider = el("input", { type: "range", min: 0, max: 100, value: state.split, "aria-label": "Where the two pictures meet, in per cent from the left",
      oninput: (event) => { state.split = Number(event.target.value); stage.style.setProperty("--split", `${state.split}%`); } });
    const crops = keys.map((key) => {
      const picture = el("img", { src: file(key), alt: `part of ${title(key)}`, loading: "lazy" });
      return { picture, figure: el("figure", {}, el("div", { class: "crop" }, picture),
        el("figcaption", {}, nameOf(title(key)), el("span", {}, caption(key)))) };
    });
    const maps = keys.flatMap((key) => all[key].maps.map((map) => [key, map]));
    function zoom() {
      const ratio = item.width / item.height, box = stage.querySelector(".zoom"), z = state.zoom;
      const high = Math.min(1, z.size * ratio), wide = high / ratio;
      z.x = Math.min(Math.max(z.x, 0), 1 - wide); z.y = Math.min(Math.max(z.y, 0), 1 - high);
      Object.assign(box.style, { left: `${z.x * 100}%`, top: `${z.y * 100}%`, width: `${wide * 100}%`, height: `${high * 100}%` });
      for (const { picture } of crops) {
        Object.assign(picture.style, { width: `${100 / wide}%`, height: `${100 / high}%`, left: `${-z.x * 100 / wide}%`, top: `${-z.y * 100 / high}%` });
      }
    }
    const point = (event) => {
      const frame = stage.getBoundingClientRect(), ratio = item.width / item.height;
      state.zoom.x = (event.clientX - frame.left) / frame.width - state.zoom.size / 2;
      state.zoom.y = (event.clientY - frame.top) / frame.height - (state.zoom.size * ratio) / 2;
      zoom();
    };
    stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); point(event); });
    stage.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
    stage.tabIndex = 0;
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", "Zoom box: arrow keys move it, plus and minus change its size");
    stage.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (by) { state.zoom.x += by[0] * 0.02; state.zoom.y += by[1] * 0.02; }
      else if (event.key === "+") state.zoom.size = Math.max(0.05, state.zoom.size / 1.25);
      else if (event.key === "-") state.zoom.size = Math.min(1, state.zoom.size * 1.25);
      else return;
      event.preventDefault();
      zoom();
    });
    root.replaceChildren(...[
      el("div", { class: "thumbs", role: "group", "aria-label": "Images" }, items.map((each, index) =>
        el("button", { type: "button", title: each.image, "aria-pressed": String(index === state.item), onclick: () => { state.item = index; draw(); } },
          el("img", { src: each.rainy, alt: `image ${each.image}`, loading: "lazy" })))),
      el("div", { class: "tools" },
        choice("left", options, state.left, (key) => { state.left = key; draw(); }),
        choice("right", options, state.right, (key) => { state.right = key; draw(); }),
        toggle("Error maps", state.error, (on) => { state.error = on; draw(); }),
        choice("zoom", [["0.1", "10 %"], ["0.2", "20 %"], ["0.4", "40 %"]], ["0.1", "0.2", "0.4"].find((s) => Number(s) === state.zoom.size) ?? "",
          (size) => { state.zoom.size = Number(size); zoom(); })),
      stage, el("div", { class: "split", style: `--ratio:${item.width / item.height};--width:${item.width}` }, slider),
      state.error ? el("div", {}, el("div", { class: "scale", role: "img", "aria-label": "Colour scale of the error maps" }),
        el("div", { class: "scale-text" }, el("span", {}, "0"), el("span", {}, `${Math.round(report.error_range * 255)} and more`)),
        el("p", { class: "scale-text" }, "Mean absolute error of R, G and B in grey levels of 255; one scale for all error maps of this page.")) : null,
      el("div", { class: "crops" }, crops.map((crop) => crop.figure)),
      maps.length ? el("details", {}, el("summary", {}, `Maps of the networks (${maps.length})`), el("div", { class: "crops" },
        maps.map(([key, map]) => el("figure", {}, el("img", { src: map.image, alt: `${map.name} of ${title(key)}`, loading: "lazy", style: "width:100%" }),
          el("figcaption", {}, el("bdi", {}, `${title(key)}: ${map.name}`), el("span", {}, `values ${map.least === map.most ? `all ${map.least}` : `${map.least} to ${map.most}`}; colours from ${map.low} to ${map.high}`)))))) : null,
    ].filter(Boolean));
    zoom();
  }
  root.show = (image) => {
    const index = items.findIndex((item) => item.image === image);
    if (index >= 0) { state.item = index; draw(); root.scrollIntoView({ block: "start" }); }
  };
  draw();
  return root;
}
