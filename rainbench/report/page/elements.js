"use strict";
// The report's data, and elements from plain values. Every text becomes a text node: no name can
// become markup.

const report = JSON.parse(document.getElementById("data").textContent);

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null) node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const value = (number) => (number === "inf" ? Infinity : number);

// Rounded once, from the number itself, and half-way to the even digit: as Python does in the tables.
function fixed(number, digits) {
  const more = 30;
  const exact = number.toFixed(digits + more);
  const cut = exact.slice(0, -more).replace(/\.$/, "");
  const halfway = /^50*$/.test(exact.slice(-more));
  return halfway && Number(cut.slice(-1)) % 2 === 0 ? cut : number.toFixed(digits);
}

function text(number, digits, sign = false) {
  if (number === null || number === undefined) return "";
  if (!Number.isFinite(value(number))) return "inf";
  const shown = fixed(Math.abs(number), digits);
  const mark = Number(shown) === 0 ? "" : number < 0 ? "−" : sign ? "+" : "";
  return mark + shown;
}

function short(number) {
  if (!number) return "";
  for (const [size, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (number >= size) return `${(number / size).toPrecision(3)} ${letter}`;
  }
  return String(number);
}

const DIGITS = { psnr: 2, ssim: 4 };
const UNIT = { psnr: "PSNR (dB)", ssim: "SSIM" };

const pairText = (psnr, ssim, sign = false) => `${text(psnr, DIGITS.psnr, sign) || "–"} / ${text(ssim, DIGITS.ssim, sign) || "–"}`;

// An entry's name, which may be broken after its dot.
const nameOf = (entry) => el("bdi", {}, entry.split(".").flatMap((part, index) => (index ? [".", el("wbr"), part] : [part])));

const NARROW = matchMedia("(max-width: 760px)");

function choice(label, options, selected, onchange) {
  const list = el("select", { onchange: (event) => onchange(event.target.value) },
    options.map(([key, name]) => el("option", { value: key, selected: key === selected }, name)));
  return el("label", {}, label, list);
}

function toggle(label, pressed, onclick) {
  return el("button", { type: "button", "aria-pressed": String(pressed), onclick: (event) => {
    const now = event.currentTarget.getAttribute("aria-pressed") !== "true";
    event.currentTarget.setAttribute("aria-pressed", String(now));
    onclick(now);
  } }, label);
}
