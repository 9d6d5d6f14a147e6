/* Fetches PostgreSQL and the year, or takes what was fetched before, and answers one page. */
import { csv } from "./csv.js";

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
};

function sent(answer) {
  return { ...answer, rows: answer.rows.slice(0, SENT), csv: csv(answer) };
}

async function open({ listed, loaded }) {
  const parts = loaded ?? fetched(listed); // begins before the scripts have loaded
  const { start } = await import("./engine.js");
  engine = await start({ ...listed, ...parts, base: import.meta.url });
  self.postMessage({ ready: loaded ?? await kept(parts) });
}

/* Each on its way: PostgreSQL is compiled and set up while the year still loads. */
function fetched({ module, files, data }) {
  const content = (name) => {
    const buffer = unpacked(name).then((stream) => new Response(stream).arrayBuffer());
    return { arrayBuffer: () => buffer };
  };
  const headers = { "Content-Type": "application/wasm" };
  const compiled = unpacked(module).then((stream) => WebAssembly.compileStreaming(new Response(stream, { headers })));
  return { module: compiled, files: content(files), data: content(data) };
}

/* For starts to come: blobs, which the page's own thread hands on without reading them. */
async function kept({ module, files, data }) {
  const blob = async (part) => new Blob([await part.arrayBuffer()]);
  return { module: await module, files: await blob(files), data: await blob(data) };
}

/* The stream of a file's content, whether or not the server or the browser has undone its gzip. */
async function unpacked(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  const reader = response.body.getReader();
  let next = await reader.read();
  const isPacked = next.value?.[0] === 0x1f && next.value?.[1] === 0x8b;
  const stream = new ReadableStream({
    async pull(controller) {
      if (next.done) return controller.close();
      controller.enqueue(next.value);
      self.postMessage({ progress: next.value.length });
      next = await reader.read();
    },
  });
  return isPacked ? stream.pipeThrough(new DecompressionStream("gzip")) : stream;
}
