// The picture of one sequence: divide, flicker, zoom, sample frames, worst patches.

const still = matchMedia("(prefers-reduced-motion: reduce)");
const HALF_PERIOD = 250; // milliseconds: two blinks a second, below what is risky to watch
const state = { flicker: false, timer: 0 };
let view = null;

export function showViewer(article) {
  const frame = article.querySelector(".viewer");
  view = frame && {
    frame,
    stage: frame.querySelector(".stage"),
    clean: frame.querySelector("img.clean"),
    rainy: frame.querySelector("img.rainy"),
    range: frame.querySelector("input[type=range]"),
    width: Number(frame.dataset.width),
    height: Number(frame.dataset.height),
    samples: [...frame.querySelectorAll(".sample")],
    patches: [],
    article,
  };
  if (!view) return;
  view.stage.style.setProperty("--ratio", view.width / view.height);
  zoom(null);
  if (!view.rainy) {
    frame.classList.add("single");
    return;
  }
  for (const [index, button] of view.samples.entries()) {
    button.addEventListener("click", () => chooseSample(index));
  }
  view.range.addEventListener("input", () => divide(Number(view.range.value)));
  view.stage.addEventListener("pointerdown", startDrag);
  frame.querySelector(".flicker").addEventListener("click", toggleFlicker);
  frame.querySelector(".whole").addEventListener("click", () => zoom(null));
  for (const image of [view.clean, view.rainy]) image.addEventListener("load", drawPatches);
  setFlicker(state.flicker);
  loadPatches(view);
}

function divide(percent) {
  view.range.value = percent;
  view.stage.style.setProperty("--split", `${percent}%`);
}

function startDrag(event) {
  const stage = view.stage;
  const move = (at) => {
    const box = stage.getBoundingClientRect();
    divide(Math.min(100, Math.max(0, (100 * (at.clientX - box.left)) / box.width)));
  };
  stage.setPointerCapture(event.pointerId);
  stage.addEventListener("pointermove", move);
  stage.addEventListener("lostpointercapture", () => stage.removeEventListener("pointermove", move), { once: true });
  move(event);
}

export function toggleFlicker() {
  if (!view?.rainy) return;
  if (still.matches && state.flicker && !view.stage.classList.contains("show-rainy")) {
    // Nothing may blink by itself: every press shows the other one, the third ends it.
    view.stage.classList.add("show-rainy");
    return;
  }
  setFlicker(!state.flicker);
}

function setFlicker(on) {
  clearInterval(state.timer);
  state.flicker = on;
  const { classList } = view.stage;
  classList.toggle("flickering", on);
  classList.remove("show-rainy");
  view.frame.querySelector(".flicker").setAttribute("aria-pressed", on);
  if (on && !still.matches) {
    const stage = view.stage;
    state.timer = setInterval(() => stage.classList.toggle("show-rainy"), HALF_PERIOD);
  }
}

still.addEventListener("change", () => view?.rainy && setFlicker(false));

export function chooseSample(index) {
  const button = view?.samples[index];
  if (!button) return;
  for (const each of view.samples) each.setAttribute("aria-pressed", each === button);
  const before = view.samples.find((each) => view.rainy.getAttribute("src") === each.dataset.source);
  if (before) view.rainy.alt = view.rainy.alt.replace(before.dataset.number, button.dataset.number);
  view.rainy.src = button.dataset.source;
}

async function loadPatches(mine) {
  const section = mine.article.querySelector(".worst");
  const wait = section.querySelector(".wait");
  const list = section.querySelector(".patches");
  try {
    const answer = await fetch(list.dataset.source);
    if (!answer.ok) throw new Error(await answer.text());
    const patches = await answer.json();
    wait.hidden = patches.length > 0;
    wait.textContent = "There are none: the clean frame is this median, within half a level.";
    for (const [index, patch] of patches.entries()) list.append(patchButton(mine, patch, index));
    if (mine === view) drawPatches();
  } catch (error) {
    wait.textContent = `They could not be found: ${error.message}`;
  }
}

function patchButton(mine, patch, index) {
  const button = document.createElement("button");
  const pair = document.createElement("span");
  const caption = document.createElement("span");
  const canvases = [0, 1].map(() => document.createElement("canvas"));
  button.type = "button";
  button.className = "patch";
  button.setAttribute("aria-pressed", "false");
  pair.className = "pair";
  caption.className = "caption";
  caption.textContent = `${index + 1}: ${patch.residual.toFixed(1)} levels at ${patch.x}, ${patch.y}`;
  button.setAttribute("aria-label", `Worst patch ${index + 1}: differs by ${patch.residual.toFixed(1)} of 255 levels at column ${patch.x}, row ${patch.y}. Show it large.`);
  pair.append(...canvases);
  button.append(pair, caption);
  button.addEventListener("click", () => zoom(button.getAttribute("aria-pressed") === "true" ? null : index));
  mine.patches.push({ patch, button, canvases });
  return button;
}

function drawPatches() {
  for (const { patch, canvases } of view?.patches ?? []) {
    for (const [index, image] of [view.clean, view.rainy].entries()) {
      const canvas = canvases[index];
      canvas.width = canvas.height = patch.side;
      if (!image.complete || !image.naturalWidth) continue;
      const { x, y, side } = patch;
      canvas.getContext("2d").drawImage(image, x, y, side, side, 0, 0, side, side);
    }
  }
}

export function nextPatch() {
  if (!view?.patches.length) return;
  const at = view.patches.findIndex(({ button }) => button.getAttribute("aria-pressed") === "true");
  zoom(at + 1 < view.patches.length ? at + 1 : null);
}

// Show a patch with its surroundings, three times its side wide; null for the whole picture.
export function zoom(index) {
  if (!view) return;
  for (const [at, { button }] of view.patches.entries()) button.setAttribute("aria-pressed", at === index);
  const whole = view.frame.querySelector(".whole");
  if (whole) whole.hidden = index === null;
  if (index === null) {
    view.stage.style.removeProperty("--zoom");
    view.stage.classList.toggle("sharp", view.stage.clientWidth > 2 * view.width);
    return;
  }
  const { x, y, side } = view.patches[index].patch;
  const scale = Math.max(1, Math.min(view.width, view.height) / (3 * side));
  const place = (start, length) => Math.min(Math.max(start + side / 2 - length / scale / 2, 0), length - length / scale) / length;
  const [left, top] = [place(x, view.width), place(y, view.height)];
  view.stage.style.setProperty("--zoom", `scale(${scale}) translate(${-100 * left}%, ${-100 * top}%)`);
  if (view.rainy) divide(100 * scale * ((x + side / 2) / view.width - left)); // half of the patch in each
  view.stage.classList.toggle("sharp", view.stage.clientWidth * scale > 2 * view.width);
  const calm = still.matches ? "auto" : "smooth";
  view.stage.scrollIntoView({ block: "nearest", behavior: calm });
}
