"use strict";
// Without this script the table stands in the order of the folders' names.
for (const table of document.querySelectorAll("table.runs")) {
  const heads = [...table.tHead.rows[0].cells];
  const compare = (a, b, isText) => (isText ? a.localeCompare(b) : Number(a) - Number(b));
  heads.forEach((head, column) => {
    const isText = head.classList.contains("text");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rises = head.ariaSort ? head.ariaSort === "descending" : isText;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rises ? "ascending" : "descending");
      const body = table.tBodies[0];
      const key = (row) => row.cells[column].dataset.key;
      const known = [...body.rows].filter((row) => key(row) !== "");
      const unknown = [...body.rows].filter((row) => key(row) === "");
      known.sort((a, b) => (rises ? 1 : -1) * compare(key(a), key(b), isText));
      body.replaceChildren(...known, ...unknown);
    });
  });
}
