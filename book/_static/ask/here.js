/* A cell that became an editor, with the answers it gets. */
import { made, sameAsPrinted, shown } from "./answer.js";
import { editor } from "./editor.js";
import { awaited, open, startAgain } from "./session.js";

/* `statements` are the page's, each {sql, on, needs, writes}; the cell's own is at index `at`. */
export function become(cell, button, statements, at) {
  const { sql, on, needs, writes } = statements[at], number = at + 1;
  const edited = editor(sql, `SQL of cell ${number}`, run);
  const status = made("span", { className: "ask-status", role: "status" });
  const running = made("button", { type: "button", textContent: "Run", title: "Ctrl+Enter" });
  const again = made("button", { type: "button", textContent: "Start again", title: "Undoes what you changed, and stops what still runs" });
  const back = made("button", { type: "button", textContent: "Close", title: "The cell as it is printed" });
  const answer = made("section", { className: "ask-answer" });
  answer.setAttribute("aria-label", `Answer of cell ${number}`);
  const bar = made("div", { className: "ask-bar" }, running, again, back, status);
  const here = made("div", { className: "ask" }, edited.element, bar, answer);
  const printed = made("details", { className: "ask-printed" }, made("summary", { textContent: "As printed" }));
  const input = cell.querySelector(".cell_input"), output = cell.querySelector(".cell_output");
  const say = (text) => { status.textContent = text; };
  input.hidden = true;
  input.after(here);
  running.addEventListener("click", run);
  again.addEventListener("click", () => startAgain(say).catch(refuse));
  back.addEventListener("click", close);
  edited.focus();
  run();

  async function run() {
    if (running.disabled) return;
    running.disabled = true;
    try {
      const session = await open(say);
      if (writes && edited.value === sql && session.ran.has(sql)) return say("This has run already: start again to undo it.");
      const first = await awaited(prepared(session), say);
      show(await awaited(session.ask(edited.value, on === "stock"), say), first);
    } catch (error) {
      refuse(error);
    } finally {
      running.disabled = false;
    }
  }

  /* Runs the cells above that this one needs and that have not run; a line that says which. */
  async function prepared(session) {
    const missing = needs.map((each) => statements[each]).filter((each) => !session.ran.has(each.sql));
    for (const each of missing) await session.ask(each.sql, each.on === "stock");
    const lines = missing.map((each) => each.sql.trim().split("\n")[0]);
    return lines.length ? [made("p", { className: "ask-label", textContent: `First ran: ${lines.join("; ")}` })] : [];
  }

  function show(given, first) {
    const same = sameAsPrinted(given, output);
    const took = `${Math.max(1, Math.round(given.ms))} ms`;
    say(same ? `Answered here in ${took}: the same as printed.` : `Answered here in ${took}.`);
    answer.replaceChildren(...first, ...shown(given, edited.value));
    print(same);
  }

  /* The printed answer stays in sight until the new one is another. */
  function print(open) {
    if (!output) return;
    if (!printed.isConnected) {
      output.before(printed);
      printed.append(output);
    }
    printed.open = open;
  }

  function refuse({ message, hint, code }) {
    if (code !== "stopped") say(code === "broken" ? "" : "Refused.");
    const lines = [message, hint].filter(Boolean).join("\n");
    answer.replaceChildren(made("pre", { className: "ask-refused", textContent: lines, tabIndex: 0 }));
    print(true);
  }

  function close() {
    if (printed.isConnected) printed.replaceWith(output);
    here.remove();
    input.hidden = false;
    button.disabled = false;
    button.focus();
  }
}
