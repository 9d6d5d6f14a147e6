/* The page "Ask it yourself": one editor, its answer as a table and a chart, and a date to drag. What
   it begins with stands in the page (book/made/asking.py); PostgreSQL loads at the first question. */
import { made, shown } from "./answer.js";
import { chart } from "./chart.js";
import { editor } from "./editor.js";
import { awaited, open, startAgain } from "./session.js";

const INSTANT = /(\bAS\s+OF\s+(?:TIMESTAMP\s+|DATE\s+)?)'(\d{4}-\d\d-\d\d)[^']*'/i;
const DAY = 86_400_000; // milliseconds
const KEYS = { then: "● from history", now: "■ as of now" };
const FEW = 90; // letters of a question that was asked
const KEPT = "asked"; // the session storage's name for what was asked

const page = document.querySelector(".asking");
const find = (name) => page.querySelector(name);
const questions = JSON.parse(find("script").textContent);
const status = find(".ask-status"), answer = find(".ask-answer"), figure = find(".asking-chart");
const slider = find("input"), date = find("output"), save = find("[data-does=save]");
const edited = editor(linked() ?? questions[0], "Your SQL", run);
const does = { run, restart: () => startAgain(say).catch(refuse), link: copyLink, save: download };
let given, last, full = 0, isAsking = false, isWaiting = false, isKept = false;
const asked = remembered();

find(".asking-main").prepend(edited.element);
for (const [name, act] of Object.entries(does)) find(`[data-does=${name}]`).addEventListener("click", () => act());
page.querySelectorAll(".asking-questions button").forEach((button, at) => button.addEventListener("click", () => put(questions[at])));
page.querySelectorAll("[data-name]").forEach(offerTable);
edited.element.addEventListener("input", follow);
slider.addEventListener("input", () => (move(), run(false)));
slider.addEventListener("change", () => run());
addEventListener("hashchange", () => {
  if ((linked() ?? edited.value) === edited.value) return;
  edited.value = linked();
  follow();
  clear();
});
document.querySelector(".asking-not").remove();
page.hidden = false;
follow();
list();

function say(text) {
  status.textContent = text;
}

/* The question in the address, or nothing. */
function linked() {
  return new URLSearchParams(location.hash.slice(1)).get("sql");
}

function put(sql) {
  edited.value = sql;
  edited.element.scrollIntoView({ block: "nearest" });
  follow();
  run();
}

/* Ask what the editor has; while that is asked, only the newest of what comes waits. */
async function run(keeps = true) {
  isWaiting = true;
  isKept ||= keeps;
  if (isAsking) return;
  isAsking = true;
  find(".asking-main").ariaBusy = true;
  while (isWaiting) {
    isWaiting = false;
    await ask(edited.value);
  }
  isAsking = find(".asking-main").ariaBusy = false;
  if (isKept && edited.value.trim()) keep(edited.value);
  isKept = false;
}

async function ask(sql) {
  try {
    const session = await open(say);
    show(await awaited(session.ask(sql), say), sql);
  } catch (error) {
    refuse(error);
  }
}

function show(found, sql) {
  given = found;
  const many = `${found.count.toLocaleString("en-US")} ${found.count === 1 ? "row" : "rows"}`;
  const told = found.columns.length ? many : found.command;
  say(told ? `${told} in ${Math.max(1, Math.round(found.ms))} ms.` : "There is no statement to run.");
  answer.replaceChildren(...shown(found, sql));
  draw(sql);
  save.disabled = !found.columns.length;
}

/* Charts of one question at several dates have one scale, so that they can be compared. */
function draw(sql) {
  const question = sql.replace(INSTANT, "$1''");
  if (question !== last) full = 0;
  last = question;
  const drawn = chart(given, { asof: /\bSYSTEM_TIME\b/i.test(sql), full, width: answer.clientWidth });
  figure.hidden = !drawn;
  full = drawn?.full ?? 0;
  if (!drawn) return figure.replaceChildren();
  const key = made("span", { className: drawn.kind }, made("b", { textContent: KEYS[drawn.kind][0] }), KEYS[drawn.kind].slice(1));
  figure.replaceChildren(drawn.element, made("figcaption", { className: "asking-told" }, `${drawn.told}: `, key));
}

function clear() {
  given = undefined;
  figure.hidden = save.disabled = true;
  answer.replaceChildren();
  say("");
}

function refuse({ message, hint, code }) {
  const told = code === "stopped" ? status.textContent : code === "broken" ? "" : "Refused.";
  clear();
  say(told);
  const lines = [message, hint].filter(Boolean).join("\n");
  answer.append(made("pre", { className: "ask-refused", textContent: lines, tabIndex: 0 }));
}

/* The slider stands at the first instant that the question names, if it names any. */
function follow() {
  const day = INSTANT.exec(edited.value)?.[2], at = Date.parse(day);
  slider.disabled = Number.isNaN(at); // of no date, and of the 45th
  if (!slider.disabled) slider.value = Math.round((at - Date.parse(slider.dataset.first)) / DAY);
  tell(slider.disabled ? "" : day);
}

function move() {
  const day = new Date(Date.parse(slider.dataset.first) + slider.value * DAY).toISOString().slice(0, 10);
  edited.value = edited.value.replace(INSTANT, `$1'${day}'`);
  tell(day);
}

function tell(day) {
  const options = { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  date.textContent = day ? new Intl.DateTimeFormat("en-GB", options).format(Date.parse(day)) : "– your SQL names no date";
  slider.setAttribute("aria-valuetext", date.textContent);
}

/* Of a table or view: a question to begin with, and each column's name at the cursor. */
function offerTable(fold) {
  const names = [...fold.querySelectorAll("li button")].map((button) => button.textContent);
  const columns = names.filter((name) => !/^(row_hash|sys_period)$/.test(name)).join(", ");
  const day = slider.dataset.first.replace("-01-01", "-07-01");
  const clause = "travels" in fold.dataset ? ` FOR SYSTEM_TIME AS OF '${day}'` : "";
  const all = made("button", { type: "button", className: "asking-all", textContent: "Ask it" });
  all.setAttribute("aria-label", `Ask ${fold.dataset.name}`);
  all.addEventListener("click", () => put(`SELECT ${columns}\nFROM ${fold.dataset.name}${clause}\nLIMIT 20`));
  fold.querySelector("summary").after(all);
  const area = edited.element.querySelector("textarea");
  fold.querySelectorAll("li button").forEach((button, at) => button.addEventListener("click", () => {
    area.setRangeText(names[at], area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.focus();
  }));
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? [];
  } catch {
    return []; // a browser that keeps nothing
  }
}

/* The address and the list have the newest question; the list, each once. */
function keep(sql) {
  history.replaceState(null, "", `#sql=${encodeURIComponent(sql)}`);
  const known = asked.indexOf(sql);
  if (known >= 0) asked.splice(known, 1);
  asked.unshift(sql);
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(asked));
  } catch { /* a browser that keeps nothing */ }
  list();
}

function list() {
  find(".asking-before").replaceChildren(...asked.map((sql) => {
    const text = sql.replace(/\s+/g, " ");
    const button = made("button", { type: "button", textContent: text.length > FEW ? `${text.slice(0, FEW)} …` : text });
    button.addEventListener("click", () => put(sql));
    return made("li", {}, button);
  }));
}

async function copyLink() {
  history.replaceState(null, "", `#sql=${encodeURIComponent(edited.value)}`);
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link with this question is copied.");
  } catch {
    say("The address bar has the link with this question.");
  }
}

function download() {
  const address = URL.createObjectURL(given.csv);
  made("a", { href: address, download: "answer.csv" }).click();
  URL.revokeObjectURL(address);
}
