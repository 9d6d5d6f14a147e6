/* One PostgreSQL a page, in a worker: open(say) → session, session.ask(sql) → answer; session.ran has
   the statements that were sent since it started, but for those that were refused.

   An answer is {columns: [{name, oid}], rows: [[text or null]], count, csv, sent, command, ms}: of its
   `count` rows the first, and all of them as a Blob. What the clause or the server refuses rejects with
   {message, hint, code}; so does what ends the session, with the code "broken", or "stopped" where
   startAgain(say) did. */

const PATIENCE = 60_000; // milliseconds without any news, after which it is given up
const POOR = "It takes 130 MB of memory. Close other pages and programs, and try again; or read on, all answers are printed.";
const SLOW = 300; // milliseconds; what is answered sooner needs no "Asking …"
const waiting = new Set(); // each `say` of who waits for the start
let opened;

/* `say` is told how much has loaded. */
export function open(say = () => {}) {
  waiting.add(say);
  opened ??= new Session().begin((part) => waiting.forEach((each) => each(`Loading PostgreSQL and the year: ${Math.floor(100 * part)} %`))).catch((error) => {
    opened = undefined; // the next click tries again
    throw error;
  }).finally(() => waiting.clear());
  return opened;
}

/* The button "Start again": what was changed is undone, and what still runs is stopped. */
export async function startAgain(say) {
  const session = await open(say);
  const began = performance.now();
  say("Starting again …");
  await session.restart();
  say(`Started again in ${((performance.now() - began) / 1000).toFixed(1)} s: all is as it was.`);
}

/* Wait for an answer, and `say` how to stop one that takes its time. */
export async function awaited(answer, say) {
  const soon = setTimeout(say, SLOW, "Asking … “Start again” stops it.");
  try {
    return await answer;
  } finally {
    clearTimeout(soon);
  }
}

const broken = (message, hint = "") => ({ message, hint, code: "broken" });

class Session {
  #worker;
  #keeper; // a worker, too, which has what a start takes
  #isLoaded = false;
  #listed;
  #waiting = new Map();
  #last = 0;
  #opening;
  #started;
  #timer;
  ran = new Set();

  async begin(onprogress) {
    if (location.protocol === "file:") throw broken("A page opened as a file can't load PostgreSQL.", "Serve the folder: python -m http.server");
    if (typeof WebAssembly !== "object") throw broken("This browser has no WebAssembly, in which PostgreSQL would run.");
    this.#prepare(); // its script loads beside the list
    const response = await fetch(new URL("files.json", import.meta.url), { cache: "no-cache" }).catch(() => undefined);
    if (!response?.ok) {
      const why = broken("PostgreSQL could not be loaded.", "Look at your connection, and try again.");
      this.#end(why);
      throw why;
    }
    this.#listed = await response.json();
    await this.#start(onprogress);
    return this;
  }

  async ask(sql, isStock = false) {
    this.ran.add(sql); // what is sent later is answered later
    try {
      await this.#started; // again, perhaps
      return await this.#send({ sql, isStock });
    } catch (error) {
      this.ran.delete(sql);
      throw error;
    }
  }

  #send(asked) {
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(broken("The session has ended.", "Start again."));
      this.#waiting.set(++this.#last, { resolve, reject });
      this.#worker.postMessage({ id: this.#last, ...asked });
      this.#patiently();
    });
  }

  async restart() {
    this.#end({ message: "Stopped: the session was started again.", code: "stopped" });
    await this.#start(() => {});
  }

  #prepare() {
    this.#worker ??= this.#working("worker.js");
    this.#keeper ??= this.#working("parts.js");
  }

  #working(script) {
    const worker = new Worker(new URL(script, import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => this.#hear(data);
    worker.onerror = (error) => this.#end(broken(`PostgreSQL ended: ${error.message ?? "no reason given"}.`));
    return worker;
  }

  #start(onprogress) {
    this.#started = new Promise((resolve, reject) => {
      let bytes = 0;
      this.#opening = { resolve, reject, progress: (more) => onprogress((bytes += more) / this.#listed.bytes) };
      this.#prepare();
      const listed = this.#listed, { port1: from, port2: to } = new MessageChannel();
      this.#keeper.postMessage({ listed, port: from }, [from]);
      this.#worker.postMessage({ open: { listed, port: to } }, [to]);
      this.#patiently();
    });
    return this.#started;
  }

  #hear({ progress, ready, failed, id, answer, error }) {
    this.#patiently();
    if (progress) return this.#opening?.progress(progress);
    if (error?.code === "broken") return this.#end(error);
    if (failed) return this.#end(broken(`PostgreSQL did not start, or ended: ${failed.replace(/\.$/, "")}.`, /memory/i.test(failed) ? POOR : "Try again."));
    if (ready) {
      this.#isLoaded = true;
      this.#opening.resolve();
      this.#opening = undefined;
    } else {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(error);
      else resolve(answer);
    }
    this.#patiently();
  }

  #patiently() {
    clearTimeout(this.#timer);
    if (!this.#opening && !this.#waiting.size) return;
    this.#timer = setTimeout(() => this.#end(broken("No answer came, so the session was ended.", "Start again.")), PATIENCE);
  }

  #end(why) {
    this.#worker?.terminate();
    this.#worker = undefined;
    if (!this.#isLoaded) {
      this.#keeper?.terminate(); // and what still loads
      this.#keeper = undefined;
    }
    clearTimeout(this.#timer);
    this.ran.clear();
    for (const { reject } of [...this.#waiting.values(), this.#opening].filter(Boolean)) reject(why);
    this.#waiting.clear();
    this.#opening = undefined;
  }
}
