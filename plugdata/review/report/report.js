// Filters the rows by what the form says, and keeps the form and the address in step, so that a count can link to its
// rows. Reads the page only: it makes no markup, so no text of a row can become one.
(() => {
  const form = document.getElementById("filter");
  const rows = [...document.querySelectorAll("article")];
  const names = ["lang", "status", "reason"];
  const folded = (text) => text.normalize("NFKC").toLowerCase();
  const texts = new Map();
  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, folded([".pair", ".source"].map((part) => row.querySelector(part).textContent).join(" ")));
    return texts.get(row);
  };
  // an id is asked for as one: "13" is in a quarter of them
  const holds = (row, word) =>
    word.startsWith("b2:") ? row.querySelector(".id").textContent.startsWith(word) : textOf(row).includes(word);
  const shown = () => rows.filter((row) => !row.hidden);

  const apply = () => {
    const words = folded(form.elements.q.value).split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const fits = names.every((name) => !form.elements[name].value || row.dataset[name] === form.elements[name].value);
      row.hidden = !(fits && words.every((word) => holds(row, word)));
    }
    const n = shown().length;
    form.elements.n.value = `${n} of ${rows.length} rows`;
    document.getElementById("none").hidden = n > 0;
  };

  const read = () => {
    if (!location.hash.includes("=")) return;
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const name of [...names, "q"]) form.elements[name].value = asked.get(name) ?? "";
    for (const name of names) // a value that no row on the page has
      if (form.elements[name].selectedIndex < 0) form.elements[name].value = "";
    apply();
    form.scrollIntoView();
  };

  const write = () => {
    const asked = [...names, "q"].map((name) => [name, form.elements[name].value]).filter(([, value]) => value);
    history.replaceState(null, "", asked.length ? "#" + new URLSearchParams(asked) : "#rows");
    apply();
  };

  const step = (by) => {
    const visible = shown();
    const at = visible.indexOf(document.activeElement.closest("article"));
    const next = visible[Math.max(0, at + by)];
    if (next) next.focus();
  };

  const keys = {
    "/": () => form.elements.q.focus(),
    j: () => step(1),
    k: () => step(-1),
    m: () => {
      const details = document.activeElement.closest("article")?.querySelector("details");
      if (details) details.open = !details.open;
    },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  form.addEventListener("input", write);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(write));
  window.addEventListener("hashchange", read);
  form.hidden = false;
  apply();
  read();
})();
