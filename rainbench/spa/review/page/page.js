// The page: the list of sequences, the decisions, the keys.

import { chooseSample, nextPatch, showViewer, toggleFlicker, zoom } from "/viewer.js";

const items = [...document.querySelectorAll(".item")];
const message = document.getElementById("message");
const panel = document.getElementById("sequence");
const help = document.getElementById("help");
const actions = Object.fromEntries([...document.querySelectorAll("[data-action]")].map((button) => [button.dataset.action, button]));
const title = document.title;
let latest = []; // keys of the sequences decided here, the last one last
let busy = false;
let wanted = 0;

function say(text, wrong = false) {
  message.textContent = text;
  message.classList.toggle("wrong", wrong);
}

const shown = () => panel.querySelector("article");
const index = () => items.findIndex((item) => item.getAttribute("aria-current") === "true");
const itemOf = (key) => items.find((item) => item.dataset.key === key);
const nameOf = (item) => item.querySelector(".name").textContent;

async function show(item, { focus = true } = {}) {
  const turn = ++wanted;
  for (const each of items) each.toggleAttribute("aria-current", false);
  item.setAttribute("aria-current", "true");
  item.scrollIntoView({ block: "nearest" });
  history.replaceState(null, "", `#${item.dataset.key}`);
  try {
    const answer = await fetch(`/s/${item.dataset.key}`);
    const text = await answer.text();
    if (turn !== wanted) return;
    if (!answer.ok) throw new Error(text);
    panel.innerHTML = text; // made by the server's own template, in which every name is escaped
  } catch (error) {
    if (turn === wanted) say(`${nameOf(item)} could not be loaded: ${reason(error)}`, true);
    return;
  }
  document.title = `${nameOf(item)} · ${title}`;
  mark(item, panel.querySelector(".badge").dataset.state, panel.querySelector(".badge").textContent);
  showViewer(shown());
  if (focus) shown().querySelector("h2").focus({ preventScroll: true });
}

function reason(error) {
  return error instanceof TypeError ? "the server does not answer; is rainbench review still running?" : error.message;
}

function mark(item, state, label) {
  item.dataset.state = state;
  item.querySelector(".state").textContent = label;
  const decided = items.filter((each) => ["accept", "reject", "more"].includes(each.dataset.state)).length;
  document.getElementById("count").textContent = `${decided} of ${items.length} decided`;
  const article = shown();
  if (article?.dataset.key !== item.dataset.key) return;
  const badge = article.querySelector(".badge");
  badge.dataset.state = state;
  badge.textContent = label;
  for (const action of ["accept", "reject", "more"]) {
    actions[action].disabled = !article.dataset.possible.split(" ").includes(action);
    actions[action].setAttribute("aria-pressed", state === action);
  }
}

async function post(key, part, content) {
  const answer = await fetch(`/s/${key}/${part}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const standing = await answer.json();
  mark(itemOf(key), standing.state, standing.label);
  return standing;
}

async function once(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
  } catch (error) {
    say(`Nothing was written: ${reason(error)}`, true);
  } finally {
    busy = false;
  }
}

function decide(decision) {
  const article = shown();
  const item = items[index()];
  // While the next sequence loads, its predecessor is still shown: that one is not meant.
  if (!article || article.dataset.key !== item?.dataset.key || actions[decision].disabled) return;
  once(async () => {
    const { key, round } = article.dataset;
    const { label } = await post(key, "decision", { decision, round: JSON.parse(round) });
    latest = [...latest.filter((each) => each !== key), key];
    const after = [...items.slice(index() + 1), ...items.slice(0, index())];
    const next = after.find((each) => each.dataset.state === "undecided");
    say(`${nameOf(item)}: ${label}.${next ? "" : " Nothing is left undecided."}`);
    if (next) await show(next);
  });
}

function undo() {
  once(async () => {
    const here = items[index()];
    let item = here;
    if (!["accept", "reject", "more"].includes(here.dataset.state)) {
      if (!latest.length) {
        say("There is nothing to undo.");
        return;
      }
      item = itemOf(latest.at(-1));
    }
    await post(item.dataset.key, "undo", {});
    latest = latest.filter((each) => each !== item.dataset.key);
    say(`${nameOf(item)}: decision taken back.`);
    if (item !== here) await show(item);
  });
}

function go(step) {
  const item = items[index() + step];
  if (item) show(item);
  else say(step > 0 ? "This is the last sequence." : "This is the first sequence.");
}

const run = {
  accept: () => decide("accept"),
  reject: () => decide("reject"),
  more: () => decide("more"),
  undo,
  previous: () => go(-1),
  next: () => go(1),
};
const keys = {
  a: run.accept, r: run.reject, m: run.more, u: undo, z: nextPatch,
  arrowleft: run.previous, arrowright: run.next, " ": toggleFlicker,
  escape: () => zoom(null), "?": () => help.showModal(),
};

function keyOf(event) {
  const key = event.key.toLowerCase();
  // On a Cyrillic or Greek layout the key where "a" would be still accepts.
  return event.key.length === 1 && event.key > "\x7f" && event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : key;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
  if (!document.getElementById("shortcuts").checked && event.key !== "Escape") return;
  const key = keyOf(event);
  const at = event.target;
  if (at.matches("input[type=range]") && key.startsWith("arrow")) return;
  if (key === " " && at.closest("button, summary, a, input[type=checkbox]")) return;
  if (/^[1-9]$/.test(key)) chooseSample(Number(key) - 1);
  else if (keys[key]) {
    event.preventDefault();
    if (!event.repeat || key.startsWith("arrow")) keys[key]();
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  // A click with the mouse must not leave the space bar on that button: space is for flicker.
  if (event.detail > 0 && !button.closest("dialog")) button.blur();
  if (button.dataset.action) run[button.dataset.action]();
  else if (button.dataset.key) show(button);
});
document.getElementById("help-open").addEventListener("click", () => help.showModal());

if (matchMedia("(max-width: 760px)").matches) document.getElementById("list").open = false;
show(itemOf(location.hash.slice(1)) ?? items.find((item) => item.dataset.state === "undecided") ?? items[0], { focus: false });
