// Rows that have an order: buttons that move one up or down, beside the theme's dragging.
"use strict";

function rowsOf(table) {
  return [...table.querySelectorAll(":scope > tbody.form-group.original")];
}

function renumber(table) {
  rowsOf(table).forEach((row, place) => {
    const field = row.querySelector(`input[name$="-${table.dataset.orderingField}"]`);
    if (field.value === String(place)) return;
    field.value = String(place);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

// At an end a button does nothing, yet keeps the focus: a disabled one would lose it.
function showButtons(table) {
  const rows = rowsOf(table);
  rows.forEach((row, place) => {
    row.querySelectorAll("[data-move]").forEach((button) => {
      button.hidden = false;
      const atEnd = place === (button.dataset.move === "up" ? 0 : rows.length - 1);
      button.setAttribute("aria-disabled", String(atEnd));
    });
  });
}

function sayPlace(table, row) {
  const rows = rowsOf(table);
  let status = table.parentElement.querySelector(":scope > .moved");
  if (!status) {
    status = document.createElement("p");
    status.className = "moved";
    status.setAttribute("role", "status");
    table.after(status);
  }
  status.textContent = `Now number ${rows.indexOf(row) + 1} of ${rows.length}. Save to keep it.`;
}

// The neighbour is moved past the row, so that the button that was pressed keeps the focus.
function move(button) {
  const row = button.closest("tbody.form-group");
  const table = row.closest("table");
  const rows = rowsOf(table);
  const up = button.dataset.move === "up";
  const neighbour = rows[rows.indexOf(row) + (up ? -1 : 1)];
  if (!neighbour) return;
  if (up) row.after(neighbour);
  else row.before(neighbour);
  renumber(table);
  showButtons(table);
  sayPlace(table, row);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-move]");
  if (button) move(button);
});

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table[data-ordering-field]").forEach((table) => {
    showButtons(table);
    new MutationObserver(() => showButtons(table)).observe(table, { childList: true });
  });
});
