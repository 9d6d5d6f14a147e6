/* An answer as elements of the page: a table like the book's, and what was sent. */
import { highlighted } from "./editor.js";
import { table } from "./table.js";

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
  parts.push(answer.columns.length ? drawn(table(answer)) : made("p", { className: "ask-label", textContent: answer.command }));
  return parts;
}

function drawn({ names, numbers, rows, caption }) {
  const kind = (i, cell) => [numbers[i] && "number", cell?.isNull && "null", cell?.isLong && "long"].filter(Boolean).join(" ");
  const head = made("tr", {}, ...names.map((name, i) => made("th", { scope: "col", className: kind(i), textContent: name })));
  const lines = rows.map((row) => made("tr", {}, ...row.map((cell, i) => made("td", { className: kind(i, cell), textContent: cell.text }))));
  const whole = made("table", { className: "sql-result" });
  if (caption) whole.append(made("caption", { textContent: caption }));
  whole.append(made("thead", {}, head), made("tbody", {}, ...lines));
  return made("div", { className: "output text_html", tabIndex: 0 }, whole);
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
