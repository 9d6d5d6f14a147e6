/* SQL to edit: a text area without colour over the same text with it. */
import { made } from "./answer.js";

const KEYWORDS = new Set(`all and any as asc at atomic begin between both by case cast create cross current
  date day delete desc distinct drop else end except exists explain extract false fetch filter first for from
  full function grant group grouping having hour in insert inner intersect interval into is join last lateral
  left like limit merge minute month natural not null nulls of offset on or order outer over partition
  primary range references returning right rollback row rows second select set sets system_time table then
  time timestamp timestamptz to true union unique update using values view when where window with within
  year zone integer numeric text boolean`.split(/\s+/));
const TOKEN = /(--[^\n]*|\/\*[^]*?\*\/)|('(?:[^']|'')*'?)|("[^"]*"?)|(\d+(?:\.\d+)?)|([A-Za-z_]\w*)/g;
const COLOURED = 20_000; // characters; the colours of more would hold the page

/* Spans with the classes of the book's own highlighting, and the text between and after them. */
export function highlighted(sql) {
  const parts = [];
  let end = 0;
  for (const found of sql.slice(0, COLOURED).matchAll(TOKEN)) {
    const [text, comment, string, , number, word] = found;
    const kind = comment ? "c1" : string ? "s1" : number ? "mi" : KEYWORDS.has(word?.toLowerCase()) ? "k" : "n";
    parts.push(sql.slice(end, found.index), made("span", { className: kind, textContent: text }));
    end = found.index + text.length;
  }
  return [...parts, sql.slice(end)];
}

/* {element, value, focus}; `run` is called at Ctrl+Enter. */
export function editor(sql, label, run) {
  const area = made("textarea", { value: sql, rows: 1, spellcheck: false, autocapitalize: "off", autocomplete: "off" });
  area.setAttribute("aria-label", label);
  const under = made("pre", { ariaHidden: "true" });
  const draw = () => {
    const isLong = area.value.length > COLOURED; // laid out once, and scrolled
    area.classList.toggle("ask-plain", isLong);
    under.replaceChildren(...(isLong ? [] : highlighted(area.value)), "\n");
  };
  area.addEventListener("input", draw);
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run();
  });
  draw();
  return {
    element: made("div", { className: "ask-editor" }, made("div", { className: "highlight" }, under), area),
    get value() { return area.value; },
    set value(text) { area.value = text; draw(); },
    focus: () => area.focus(),
  };
}
