"use strict";
// Filters: tables and rows that do not fit are hidden.

const field = (name) => document.getElementById(name);
const said = (name) => (field(name)?.value ?? "").trim().toLowerCase();

function filter() {
  const [dataset, model, run] = ["dataset", "model", "run"].map(said);
  let shown = 0;
  for (const section of document.querySelectorAll("section.dataset")) {
    let rows = 0;
    for (const row of section.querySelectorAll("tbody tr")) {
      row.hidden = !(row.dataset.model.includes(model) && row.dataset.run.includes(run));
      rows += !row.hidden;
    }
    section.hidden = !rows || (dataset !== "" && dataset !== section.id);
    shown += !section.hidden;
  }
  field("nothing").hidden = shown > 0;
}

for (const name of ["dataset", "model", "run"]) field(name)?.addEventListener("input", filter);
filter();
