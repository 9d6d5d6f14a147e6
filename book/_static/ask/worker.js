/* Starts PostgreSQL of the parts that it is handed, and answers one page. */
import { csv } from "./csv.js";
import { start } from "./engine.js";

const SENT = 400; // rows at most, as many as a chart draws; the page's own thread has to read them
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

function sent(answer) {
  return { ...answer, rows: answer.rows.slice(0, SENT), csv: csv(answer) };
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
