/* Fetches PostgreSQL and the year, or takes what was fetched before, and answers one page. */
import { start } from "./engine.js";

let engine;

self.onunhandledrejection = ({ reason }) => self.postMessage({ failed: String(reason?.message ?? reason) });
self.onmessage = async ({ data }) => {
  try {
    if (data.open) await open(data.open);
    else self.postMessage({ id: data.id, answer: await engine.ask(data.sql, data.isStock) });
  } catch (error) {
    if (data.open) self.postMessage({ failed: String(error?.message ?? error) });
    else self.postMessage({ id: data.id, error });
  }
};

async function open({ listed, loaded }) {
  loaded ??= await fetched(listed);
  engine = await start({ ...listed, ...loaded, base: import.meta.url });
  self.postMessage({ ready: loaded });
}

async function fetched({ module, files, data }) {
  const blob = async (name) => new Response(await unpacked(name)).blob();
  const headers = { "Content-Type": "application/wasm" };
  const compiled = unpacked(module).then((stream) => WebAssembly.compileStreaming(new Response(stream, { headers })));
  const [first, second, third] = await Promise.all([compiled, blob(files), blob(data)]);
  return { module: first, files: second, data: third };
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
