/* Fetches PostgreSQL and the year beside the worker that sets it up, and keeps them for starts to come.
   Asked with the list and a port, it sends each part there as {name, content}, or {failed}. */
let parts;

self.onmessage = ({ data: { listed, port } }) => {
  parts ??= fetched(listed);
  for (const [name, part] of Object.entries(parts)) {
    part.then((content) => port.postMessage({ name, content }), (error) => {
      parts = undefined; // the next start tries again
      port.postMessage({ failed: String(error?.message ?? error) });
    });
  }
};

function fetched({ module, files, data }) {
  const headers = { "Content-Type": "application/wasm" };
  const content = (name) => unpacked(name).then((stream) => new Response(stream).arrayBuffer());
  const compiled = unpacked(module).then((stream) => WebAssembly.compileStreaming(new Response(stream, { headers })));
  return { module: compiled, files: content(files), data: content(data) };
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
