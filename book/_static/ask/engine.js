/* PostgreSQL in WebAssembly on the year's silver and gold, as the notebooks' role. A page's worker
   runs it, and the build, in Node, to see which cells it answers as the book prints them. */
import { explain, Refusal, rewrite } from "./clause.js";

const SESSION = {
  search_path: "scratch, gold, silver, bronze, meta, public",
  TimeZone: "UTC",
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  max_wal_size: "2MB", // the log of a session that ends with its page
  min_wal_size: "2MB",
  shared_buffers: "32MB", // the whole year; PostgreSQL clears them at each start
  wal_level: "logical", // a changed row is in the log whole, as it is at the source
};
const HINTS = {
  "no history": "This page has no lab. Ask a view of your own by its query, with the clause after each table in it.",
};
const LINE = 200; // characters of a line that a complaint shows at most
const DIRECTORY = "/pglite/data", BLOCK = 512; // bytes that a tar is made of
const NO_INITDB = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0); // an empty module

/* The compiled module or its promise, the package's files and the data directory, each with an
   arrayBuffer() as a blob has, where from the base the JavaScript and the extensions are, and the query
   for what has history: known() asks it once, best before a transaction that fails. */
export async function start({ module, files, data, base, library, extensions, histories }) {
  const { MemoryFS, PGlite, protocol } = await import(new URL(library, base));
  const settings = Object.entries(SESSION).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  class Server extends PGlite {
    async _initArrayTypes() {} // which parsers of arrays need; here all values stay texts
  }
  class Year extends MemoryFS { // loadDataDir would copy each file twice
    async initialSyncFs() {
      lay(this.pg.Module.FS, new Uint8Array(await data.arrayBuffer()));
    }
  }
  const server = new Server({
    pgliteWasmModule: await module,
    initdbWasmModule: new WebAssembly.Module(NO_INITDB),
    fsBundle: files,
    fs: new Year(),
    extensions: Object.fromEntries(Object.entries(extensions).map(([name, path]) => [name, new URL(path, base)])),
    startParams: [...PGlite.defaultStartParams, ...settings],
  });
  await server.waitReady;
  let turn = Promise.resolve(); // one statement after another: the package mixes up answers of two at once
  const send = (sql) => {
    const sent = turn.then(() => server.execProtocol(protocol.serialize.query(sql))).then(({ messages }) => messages);
    turn = sent.catch(() => {});
    return sent;
  };
  await send("SET ROLE medallion_notebook");
  let have; // the relations with history: only refusals name them, so nobody waits for them at the start
  const known = async () => (have ??= last(await send(histories)).rows.map(([name]) => name));
  const ask = (sql, isStock) => answered(sql, send, known, isStock);
  if (last(await send("SELECT 6 * 7 AS known")).rows[0]?.[0] !== "42") {
    throw new Error("It started and answers nothing."); // a trap in the module is not told
  }
  return { ask, known, send };
}

/* Lay the files of a tar into the data directory. None is copied: each is a part of the tar until it grows. */
function lay(FS, tar) {
  const text = (at, length) => new TextDecoder().decode(tar.subarray(at, at + length)).replace(/\0[^]*/, "");
  FS.mkdirTree(DIRECTORY);
  for (let at = 0; tar[at];) {
    const place = `${DIRECTORY}/${text(at, 100)}`, size = parseInt(text(at + 124, 12), 8), kind = text(at + 156, 1);
    const begin = at + BLOCK, end = begin + size;
    if (kind === "5") FS.mkdirTree(place);
    else FS.writeFile(place, tar.subarray(begin, end), { canOwn: true });
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/* Every value as PostgreSQL's text: the protocol's own messages are read, past all parsers. A stock
   PostgreSQL is sent what was written. */
async function answered(sql, send, known, isStock) {
  let sent = sql;
  try {
    if (!isStock) sent = rewrite(sql);
    const began = performance.now();
    const answer = last(await send(sent));
    return { ...answer, count: answer.rows.length, sent, ms: performance.now() - began };
  } catch (error) {
    throw refused(error, sql, sent, error.code ? await known().catch(() => []) : [], isStock);
  }
}

/* Of several statements, the last one's answer. */
function last(messages) {
  let answer = {}, columns = [], rows = [];
  for (const message of messages) {
    if (message.name === "rowDescription") {
      columns = message.fields.map(({ name, dataTypeID }) => ({ name, oid: dataTypeID }));
    } else if (message.name === "dataRow") {
      rows.push(message.fields);
    } else if (message.name === "commandComplete") {
      answer = { columns, rows, command: message.text };
      columns = [], rows = [];
    }
  }
  return { columns, rows, command: "", ...answer };
}

/* {message, hint, code}: in the words of the clause where it was about that, else the server's. */
function refused(error, sql, sent, have, isStock) {
  if (error instanceof Refusal) return { message: error.message, hint: "", code: "" };
  if (!error.code) return { message: `PostgreSQL ended: ${error.message ?? error}`, hint: "Start again.", code: "broken" };
  const explained = !isStock && explain(sql, error, have);
  const { message, detail, where, hint, code } = explained
    ? { message: explained.message, hint: HINTS[explained.about], code: error.code } : error;
  const lines = [message, !explained && line(sent, error.position), detail, where].filter(Boolean);
  return { message: lines.join("\n"), hint: hint ?? "", code };
}

/* The line that a complaint is about and a mark below its place, as psql shows them: of a long line, what
   is near. */
function line(sql, position) {
  if (!position) return "";
  const before = [...sql].slice(0, position - 1).join("").split("\n");
  const text = [...sql.split("\n")[before.length - 1]], at = [...before.at(-1)].length;
  const begin = text.length > LINE ? Math.max(0, at - LINE / 2) : 0, end = begin + LINE;
  const told = `LINE ${before.length}: ${begin ? "..." : ""}`;
  const near = `${text.slice(begin, end).join("")}${end < text.length ? "..." : ""}`;
  return `${told}${near}\n${" ".repeat(told.length + at - begin)}^`;
}
