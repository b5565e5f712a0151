// Tables sort at a click on a head, filter by a word, and show later rows at a click; curves are chosen by name.
// Without scripts every row and the first curves are there.
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0], rows = [...body.rows];
  let word = "", all = !table.dataset.open;
  const value = (row, i) => {
    const cell = row.cells[i], text = cell.dataset.key ?? cell.textContent.trim();
    return text !== "" && !isNaN(parseFloat(text)) ? parseFloat(text) : text;
  };
  const show = () => [...body.rows].forEach((row, i) => {
    const hit = row.textContent.toLowerCase().includes(word);
    row.hidden = !hit;
    row.classList.toggle("later", !all && !word && i >= Number(table.dataset.open));
  });
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    head.tabIndex = 0;
    const sort = () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      [...table.tHead.rows[0].cells].forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => {
        const [x, y] = [value(a, i), value(b, i)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const less = typeof x === typeof y ? (x > y) - (x < y) : typeof x === "number" ? 1 : -1;
        return down ? -less : less;
      };
      rows.slice().sort(order).forEach((row) => body.append(row));
      show();
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
  const bar = document.createElement("p"), input = document.createElement("input");
  bar.className = "tools";
  input.type = "search";
  input.placeholder = "filter, such as a method";
  input.setAttribute("aria-label", "Filter the rows of this table");
  input.addEventListener("input", () => { word = input.value.trim().toLowerCase(); show(); });
  if (rows.length > 4) bar.append(input);
  if (!all) {
    const more = document.createElement("button");
    more.textContent = `show all ${rows.length} rows`;
    more.addEventListener("click", () => { all = true; more.remove(); show(); });
    bar.append(" ", more);
  }
  table.parentElement.before(bar);
  show();
});
document.querySelectorAll("figure").forEach((figure) => {
  const lines = [...figure.querySelectorAll("[data-series]")];
  const names = [...new Set(lines.map((line) => line.dataset.series))];
  if (!lines.some((line) => line.hasAttribute("hidden"))) return;
  const choice = document.createElement("fieldset"), legend = document.createElement("legend");
  legend.textContent = "methods";
  choice.append(legend);
  const boxes = [];
  const swatch = (look) => {
    const line = look.startsWith("curve"), box = document.createElement("span");
    box.innerHTML = `<svg viewBox="0 0 22 10">${line ? `<line x2="22" y1="5" y2="5"/>` : `<rect width="22" height="10"/>`}</svg>`;
    box.firstChild.firstChild.setAttribute("class", look);
    return box;
  };
  const add = (name, checked, change, look) => {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = checked;
    box.addEventListener("change", change);
    label.append(box, " ", ...(look ? [swatch(look), " "] : []), name);
    choice.append(label);
    return box;
  };
  names.forEach((name) => {
    const own = lines.filter((line) => line.dataset.series === name);
    const show = (event) => own.forEach((line) => line.toggleAttribute("hidden", !event.target.checked));
    const drawn = own.map((one) => one.querySelector(".curve, rect, circle, polygon")).find((one) => one);
    boxes.push(add(name, !own[0].hasAttribute("hidden"), show, drawn?.getAttribute("class")));
  });
  const all = add("all", false, () => boxes.forEach((box) => box.checked !== all.checked && box.click()));
  figure.append(choice);
});
