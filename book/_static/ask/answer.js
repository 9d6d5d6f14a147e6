/* An answer as elements of the page: a table like the book's, and what was sent. */
import { highlighted } from "./editor.js";
import { table } from "./table.js";

const COLUMNS = 50, ROWS = 50; // at most; rows at each click. A page that lays out more is busy for long
const FIRST = 2_000, PIECE = 20_000; // characters of a value that are shown at first, and at each click

export function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (properties.role) element.setAttribute("role", properties.role);
  element.append(...children);
  return element;
}

export function shown(answer, asked) {
  const parts = [];
  if (answer.sent.trim() !== asked.trim()) {
    const sent = made("pre", { tabIndex: 0 }, ...highlighted(answer.sent));
    parts.push(made("p", { className: "ask-label", textContent: "Sent:" }), made("div", { className: "highlight" }, sent));
  }
  parts.push(...(answer.columns.length ? drawn(answer) : [made("p", { className: "ask-label", textContent: answer.command })]));
  return parts;
}

/* The table, and a button for rows that it does not show. */
function drawn(answer) {
  const { names, numbers, rows, caption } = table(answer);
  const kind = (i, cell) => [numbers[i] && "number", cell?.isNull && "null", cell?.isLong && "long"].filter(Boolean).join(" ");
  const some = names.slice(0, COLUMNS);
  const body = (lines) => made("tbody", {}, ...lines.map((line) => made("tr", {}, ...some.map((_, i) => made("td", { className: kind(i, line[i]) }, ...pieces(line[i].text))))));
  const head = made("tr", {}, ...some.map((name, i) => made("th", { scope: "col", className: kind(i), textContent: name })));
  const whole = made("table", { className: "sql-result" });
  const said = (text) => [text, some.length < names.length && `${COLUMNS} of ${names.length.toLocaleString("en-US")} columns`].filter(Boolean).join(", ");
  if (said(caption)) whole.append(made("caption", { textContent: said(caption) }));
  whole.append(made("thead", {}, head), body(rows));
  const scrolled = made("div", { className: "output text_html", tabIndex: 0 }, whole);
  return [scrolled, ...further(answer, rows.length, (lines, text) => {
    whole.append(body(lines));
    if (said(text)) whole.caption.textContent = said(text);
    else whole.deleteCaption();
    scrolled.focus();
  })];
}

/* A button that has more rows shown, if there are; `show` is given them, and what to say of how many there are. */
function* further(answer, at, show) {
  if (at >= answer.rows.length) return;
  const most = Math.min(ROWS, answer.rows.length - at);
  const more = made("button", { type: "button", className: "ask-more", textContent: `Show ${most} more rows` });
  more.addEventListener("click", () => {
    const end = at + most;
    const { rows } = table({ ...answer, rows: answer.rows.slice(at, end) }, most);
    more.replaceWith(...further(answer, end, show));
    show(rows, end < answer.count ? `${end} of ${answer.count.toLocaleString("en-US")} rows` : "");
  });
  yield more;
}

/* A long text's beginning, and a button for more of it. */
function pieces(text, size = FIRST) {
  if (text.length <= size) return [text];
  const end = size + /^[\uDC00-\uDFFF]/.test(text.slice(size, size + 1)); // no character in two
  const more = made("button", { type: "button", className: "ask-more", textContent: `${(text.length - end).toLocaleString("en-US")} more characters` });
  more.addEventListener("click", () => {
    const next = made("div", { tabIndex: -1 }, ...pieces(text.slice(end), PIECE)); // a block of its own: what is above keeps its lines
    more.replaceWith(next);
    next.focus();
  });
  return [text.slice(0, end), more];
}

/* Whether the printed table has the answer's text in every name, row and caption. */
export function sameAsPrinted(answer, output) {
  const printed = output?.querySelector("table.sql-result");
  if (!printed) return false;
  const read = (within, name) => [...within.querySelectorAll(name)].map((each) => each.textContent);
  const { names, rows, caption } = table(answer);
  const texts = [...printed.tBodies[0].rows].map((row) => read(row, "td"));
  const here = [names, rows.map((row) => row.map(({ text }) => text)), caption];
  return JSON.stringify(here) === JSON.stringify([read(printed, "th"), texts, printed.caption?.textContent ?? ""]);
}
