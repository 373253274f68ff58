// Sorts a table by the column whose heading is pressed: each part between two lines by itself, means never.
for (const table of document.querySelectorAll("table")) {
  const parts = [...table.tBodies].filter((part) => !part.classList.contains("means"));
  // A row, and the text that stands below it.
  const items = parts.map((part) => {
    const items = [];
    for (const row of part.rows) {
      if (row.classList.contains("below") && items.length) items[items.length - 1].push(row);
      else items.push([row]);
    }
    return items;
  });
  if (!items.some((rows) => rows.length > 1)) continue;
  const heads = [...table.tHead.rows[0].cells];
  const number = (text) => {
    const found = text.replace(/−/g, "-").match(/-?\d+(\.\d+)?/);
    return found ? Number(found[0]) : null;
  };
  const sort = (column, order) => {
    const key = ([row]) => {
      const text = row.cells[column].textContent;
      return heads[column].classList.contains("number") ? number(text) : text || null;
    };
    parts.forEach((part, i) => {
      const rows = [...items[i]];
      if (order) rows.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        // What was not measured comes last, whatever the order.
        if (x === null || y === null) return (x === null) - (y === null);
        return (typeof x === "number" ? x - y : x.localeCompare(y)) * (order === "ascending" ? 1 : -1);
      });
      part.append(...rows.flat());
    });
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    // Numbers begin with the largest; the third time, rows are as they were.
    const orders = head.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
    button.addEventListener("click", () => {
      const order = orders[orders.indexOf(head.getAttribute("aria-sort")) + 1];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order) head.setAttribute("aria-sort", order);
      sort(column, order);
    });
  });
}
