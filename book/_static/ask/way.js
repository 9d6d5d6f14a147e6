/* One change's way, in the page: a button after the chapter has shown it. Each step is a statement of
   the build (book/ask/way.sql), and what it answered is written into those after it. */
import { made, shown } from "./answer.js";
import { row } from "./record.js";
import { open } from "./session.js";

const TOLD = {
  update: "The shop changes one payment by a dollar.",
  record: "The write-ahead log has the record of it, with the new row’s bytes, and its commit. Here pg_walinspect reads them. Capture reads the log through pgoutput, which does not run in the page.",
  bronze: "These bytes, read by the table's columns, are one row of bronze.",
  merge: "The project’s own merge statement takes it to silver. The build asked medallion_lib for it.",
  versions: "The payment’s last two versions: the new one begins when the old one ends, at the commit.",
  mart: "The mart changed by a dollar: a microsecond before the commit, and now.",
};
const NUMBERS = new Set(["integer", "numeric"]);

const section = document.getElementById("the-row-in-bronze");
const button = made("button", { type: "button", className: "ask-here", textContent: "Follow a change here" });
const status = made("span", { className: "ask-status", role: "status" });
const steps = made("ol", { className: "ask-way" });
const here = made("div", { className: "ask ask-bar" }, button, status);
const offer = made("p", { textContent: "Your browser can do the same: PostgreSQL and the year load once, 8 MB, and a payment’s change goes from its table to a mart." });
button.title = "Changes a payment in your browser's own PostgreSQL, and follows it to the mart";
section.append(offer, here, steps);
button.addEventListener("click", follow);

async function follow() {
  button.disabled = true;
  try {
    const session = await open(say);
    say("Following …");
    steps.replaceChildren();
    const began = performance.now();
    try {
      await walk(session);
    } finally {
      await session.ask("SET ROLE medallion_notebook").catch(() => {}); // a session that broke has said why
    }
    say(`From the shop to the mart in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
  } catch ({ message, hint }) {
    say([message, hint].filter(Boolean).join(" "));
  }
  button.disabled = false;
}

async function walk(session) {
  const statements = await (await fetch(new URL("way.json", import.meta.url))).json();
  const found = {};
  const ask = async (name) => {
    const sql = statements[name].replaceAll(/\{(\w+)\}/g, (braces, key) => found[key] ?? braces);
    const answer = await session.ask(sql);
    if (answer.rows.length) Object.assign(found, Object.fromEntries(answer.columns.map((column, i) => [column.name, answer.rows[0][i]])));
    if (TOLD[name]) steps.append(step(name, sql, answer));
    return answer.rows;
  };
  await ask("ready");
  const columns = (await ask("columns")).map(([name, type]) => ({ name, type }));
  await ask("update");
  await ask("record");
  found.full_row = json(row(found.new_row, columns), columns);
  for (const name of ["bronze", "merge", "versions", "mart"]) await ask(name);
}

/* As capture writes it: a number is JSON's own, everything else the text of it. */
function json(values, columns) {
  const value = ({ name, type }) => {
    if (!(name in values)) return "null";
    return NUMBERS.has(type) ? values[name] : JSON.stringify(values[name]);
  };
  return `{${columns.map((column) => `${JSON.stringify(column.name)}: ${value(column)}`).join(", ")}}`;
}

function step(name, sql, answer) {
  const parts = shown({ ...answer, sent: sql }, "");
  const length = sql.split("\n").length;
  if (length > 20) { // the merge
    const folded = made("details", {}, made("summary", { textContent: `The statement: ${length} lines` }), ...parts.splice(0, 2));
    parts.unshift(folded);
  } else {
    parts.shift(); // "Sent:"
  }
  return made("li", {}, made("p", { textContent: TOLD[name] }), made("div", { className: "ask-answer" }, ...parts));
}

function say(text) {
  status.textContent = text;
}
