/* Starts PostgreSQL of the parts that it is handed, and answers one page. */
import { csv } from "./csv.js";
import { start } from "./engine.js";

const SENT = 400; // rows at most, as many as a chart draws; the page's own thread has to read them
const LONGEST = 200_000, ROOM = 2_000_000; // characters of a value, and of all, at most
let engine;

self.onunhandledrejection = (event) => {
  event.preventDefault(); // the page says it
  self.postMessage({ failed: String(event.reason?.message ?? event.reason) });
};
self.onmessage = async ({ data }) => {
  try {
    if (data.open) await open(data.open);
    else self.postMessage({ id: data.id, answer: sent(await engine.ask(data.sql, data.isStock)) });
  } catch (error) {
    if (data.open) self.postMessage({ failed: String(error?.message ?? error) });
    else self.postMessage({ id: data.id, error });
  }
  if (!data.open) engine?.known().catch(() => {}); // for refusals to come; the page has its answer
};

/* What the page shows; the file has all of it. */
function sent(answer) {
  let room = ROOM;
  const rows = [];
  for (const row of answer.rows.slice(0, SENT)) {
    rows.push(row.map(cut));
    room -= rows.at(-1).reduce((sum, value) => sum + (value?.length ?? 0), 0);
    if (room < 0) break;
  }
  return { ...answer, rows, csv: csv(answer) };
}

function cut(value) {
  if (!(value?.length > LONGEST)) return value;
  const [shown, all] = [LONGEST, value.length].map((count) => count.toLocaleString("en-US"));
  return `${value.slice(0, LONGEST)} … (the first ${shown} of ${all} characters)`;
}

async function open({ listed, port }) {
  const part = (name) => new Promise((resolve, reject) => {
    port.addEventListener("message", ({ data }) => {
      if (data.failed) reject(new Error(data.failed));
      else if (data.name === name) resolve(data.content);
    });
  });
  const [module, files, data] = ["module", "files", "data"].map(part); // each when it is there
  port.start();
  engine = await start({ ...listed, module, files: content(files), data: content(data), base: import.meta.url });
  self.postMessage({ ready: true });
}

const content = (buffer) => ({ arrayBuffer: () => buffer });
