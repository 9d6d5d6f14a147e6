/* FOR SYSTEM_TIME in the page: the rewrite of medallion_lib/system_time, in JavaScript.

     import { rewrite, explain, Refusal } from "./clause.js";

     rewrite("SELECT * FROM t FOR SYSTEM_TIME AS OF '2023-07-01' d")
     // "SELECT * FROM t__as_of('2023-07-01') d": what to send. Throws Refusal; its message is the
     // whole text of refusals.txt, the first line for what is wrong and the rest for what to write.

     explain(sql, error, ["dim_customer", …])
     // A Refusal for PostgreSQL's complaint (code, message, hint) about `sql` as it was written, or
     // null where PostgreSQL's own words serve. The list names what has history.

   Text in, text out: no database, and nothing of the browser. The functions follow the Python ones,
   which have the same names, and tests/system_time/test_clause_js.py holds both to the same answers.
   Words, forms and texts come from Python: book/made/clause.py, by `write(folder)`, writes
   clause_data.js beside this file at each build.

   What the hook on an engine does and this does not, since it takes the server:
   - make and drop functions around DDL. A new view has no AS OF until its functions are made, and
     what has functions is dropped with CASCADE. CREATE TABLE … WITH (system_versioning = true) gets
     its functions from the procedure that it calls;
   - refuse a name that a TEMP table hides;
   - leave statements alone where standard_conforming_strings is off;
   - fill in parameters. %s and %(name)s are an operator and a name here; only with
     { placeholders: true } are they what drivers make of them, as the tests ask. */

import { FOLLOWS, FORMS, NAMES_FOLLOW, TOLD, WRITTEN } from "./clause_data.js";
import { isPeriod, optionEdits } from "./option.js";
import { locks, references } from "./references.js";
import { Refusal, refusal } from "./refusal.js";
import {
  Unfinished, afterBracket, afterExpression, depthOf, edited, identifier, isName, nameStart, says, tokenize,
} from "./tokens.js";

export { Refusal };

const BEGIN = Object.fromEntries(WRITTEN.map((each) => [each.clause.split(" ")[0], each]));

const filled = (clause, ...instants) => clause.replace(/\{\}/g, () => instants.shift());
const shown = (clause) => filled(clause, "…", "…");
/* The words and signs before, between and after its instants. */
const wordsOf = (clause) => clause.split("{}").map((piece) => piece.match(/\w+|\S/g) ?? []);

/* The statement to send for `sql`; the same text where nothing is to do. */
export function rewrite(sql, { placeholders = false } = {}) {
  const low = sql.toLowerCase();
  if (!TOLD.some((word) => low.includes(word))) return sql;
  return edited(sql, parse(sql, placeholders).edits);
}

/* `sql` read; as an empty text, where PostgreSQL will say that something has no end. */
function parse(sql, placeholders) {
  const low = sql.toLowerCase();
  try {
    const tokens = tokenize(sql, placeholders);
    const hasOption = ["versioning", "period", "history"].some((word) => low.includes(word));
    const edits = hasOption ? optionEdits(sql, tokens) : [];
    const hasClause = low.includes("system_time") || low.includes("for timestamp");
    const found = hasClause ? [...references(tokens)].filter((each) => isClause(tokens, each)) : [];
    const calls = found.map((each) => call(sql, tokens, each));
    return { tokens, calls, edits: [...edits, ...calls.flat()] };
  } catch (error) {
    if (error instanceof Unfinished) return { tokens: [], calls: [], edits: [] };
    throw error;
  }
}

/* Whether these words are a clause, and not in substring(s FOR system_time). */
function isClause(tokens, { clause, isRead, inCall }) {
  if (isPeriod(tokens, clause - 1) && !isRead) return false;
  const more = tokens[clause + 2].text;
  if (tokens[clause + 1].text === "TIMESTAMP" && !BEGIN[more]) return false; // as %sqlplot has it
  return isRead
    || !(NAMES_FOLLOW.has(tokens[clause - 1].text) || ["SUBSTRING", "OVERLAY"].includes(inCall));
}

/* The edits that make of a reference a call of the function that reads it. */
function call(sql, tokens, reference) {
  checkTable(sql, tokens, reference);
  const name = tokens[reference.name];
  const { form, instants, i, end } = readForm(tokens, reference.clause + 2);
  if (new TextEncoder().encode(identifier(name) + form.suffix).length > 63) {
    throw refusal("name too long", { table: identifier(name), suffix: form.suffix });
  }
  const own = isName(name) ? sql.slice(name.start, name.end) : `"${identifier(name)}"`;
  const alias = checkAfter(tokens, i, form);
  for (const { words } of locks(reference.level, identifier(alias ?? name))) {
    throw refusal("clause with a lock", { table: identifier(name), lock: words });
  }
  const close = name.kind === "quoted" ? name.start + name.text.lastIndexOf('"') : name.end;
  // The text between the instants gives way: before the first, after each, and after the last.
  const edits = [];
  let at = close, text = `${form.suffix}${sql.slice(close, name.end)}(`;
  for (const [before, after] of instants) {
    edits.push([at, before, text]);
    [at, text] = [after, ", "];
  }
  return [...edits, [at, end, `${instants.length ? "" : text})${alias ? "" : ` AS ${own}`}`]];
}

/* The form that begins at tokens[i], its instants, and which token and text come after it. */
function readForm(tokens, i) {
  const begun = BEGIN[tokens[i].text];
  if (!begun) throw refusal("clause unfinished");
  const whole = WRITTEN.find((each) => says(tokens, i, ...wordsOf(each.clause)[0]));
  const { clause, suffix } = whole ?? begun, instants = [];
  const example = filled(clause, "'2023-07-01'", "'2023-08-01'");
  const printed = tokens[i - 1].text === "TIMESTAMP"; // jupysql's: FROM (a, b), BETWEEN (a, b)
  let end = 0;
  for (const words of wordsOf(printed ? clause.replace(/\{\} \w+ \{\}/, "({}, {})") : clause)) {
    if (end) {
      const begin = i;
      i = afterExpression(tokens, i);
      if (i === begin || introduces(tokens, begin, i, words)) {
        throw refusal("no instant", { form: shown(clause) });
      }
      end = tokens[i - 1].end;
      instants.push([tokens[begin].start, end]);
    }
    for (const word of words) {
      if (tokens[i].text !== word) {
        throw refusal("form unfinished", { form: shown(clause), word, example });
      }
      end = tokens[i++].end;
    }
  }
  const form = FORMS.find((each) => each.suffix === suffix);
  return { form, instants, i, end };
}

/* Whether tokens[i] is a word before what may be an instant: TIMESTAMP now(), TRANSACTION 5. */
function introduces(tokens, i, after, words) {
  const next = tokens[i + 1], isValue = ["number", "string", "parameter"].includes(next.kind);
  const isOther = isName(next) && words.length > 0 && next.text !== words[0];
  const isAlone = after === i + 1 && (isValue || isOther);
  return isName(tokens[i]) && (isAlone || (isValue && tokens[i].text === "TRANSACTION"));
}

/* Throw, with what to write instead, unless what has the clause is a table to read. */
function checkTable(sql, tokens, { name, isRead, hiddenBy }) {
  const first = nameStart(tokens, name), read = sql.slice(tokens[first].start, tokens[name].end);
  const textAt = (i) => tokens.at(i).text;
  let before = first - 1;
  const only = textAt(before) === "ONLY" || textAt(before - 1) === "ONLY";
  while (only && ["(", "ONLY"].includes(textAt(before))) before--;
  const target = textAt(before - 1) === "DELETE" ? "FROM" : "INTO";
  if (["UPDATE", target].includes(textAt(before))) throw refusal("history written", { table: read });
  if (textAt(before) === "TABLE" || (isRead && only)) {
    throw refusal("clause with TABLE or ONLY", { table: read });
  }
  if (hiddenBy === "WITH") throw refusal("clause on a query", { table: read });
  if (hiddenBy) throw refusal("clause on what is new", { table: read });
  if (isRead) return;
  const table = textAt(before) === "AS" ? first - 2 : first - 1;
  if (textAt(name) === ")" || textAt(table) === ")") {
    throw refusal(isSampled(tokens, name) ? "clause with a sample" : "clause after a bracket");
  }
  if (isName(tokens[name]) && isName(tokens.at(table))) {
    const known = sql.slice(tokens[nameStart(tokens, table)].start, tokens[table].end);
    throw refusal("clause after the alias", { table: known, alias: read });
  }
  throw refusal("clause without a table");
}

/* Whether TABLESAMPLE … (…), with REPEATABLE (…) or not, ends at tokens[i]. */
function isSampled(tokens, i) {
  for (let depth = 0; i; i--) {
    if (!depth && tokens[i].kind !== "word" && ![")", "."].includes(tokens[i].text)) return false;
    depth -= depthOf(tokens[i]);
    if (depth === 0 && tokens[i].text === "TABLESAMPLE") return true;
  }
  return false;
}

/* The alias that begins at tokens[i]. Throws where what comes next can't follow the clause. */
function checkAfter(tokens, i, form) {
  const name = tokens[i].text === "AS" ? i + 1 : i;
  const hasAlias = name > i || (isName(tokens[i]) && !says(tokens, i, "FORMAT", "JSON"));
  let after = tokens[name].text !== "(" ? name + hasAlias : name;
  if (hasAlias && tokens[after].text === "(") {
    // TIMESTAMP now(), of which the instant is TIMESTAMP
    if (!isName(tokens[after + 1])) throw refusal("no instant", { form: shown(form.clause) });
    after = afterBracket(tokens, after);
  }
  const word = tokens[after].text;
  if (word === "TABLESAMPLE" || says(tokens, after, "WITH", "ORDINALITY")) {
    throw refusal("clause with a sample");
  }
  if (!FOLLOWS.has(word) && !says(tokens, after, "FORMAT", "JSON")) {
    throw refusal("clause goes on", { form: shown(form.clause), word });
  }
  return hasAlias ? tokens[name] : null;
}

// --- What PostgreSQL says --------------------------------------------------------------------------

const CALL = `(${FORMS.map((form) => form.suffix).join("|")})"?\\(`;

/* PostgreSQL's complaint about a statement, in the words of who wrote it; null where its own serve. */
export function explain(sql, { code, message, hint }, others = []) {
  if (code === "ST002") return new Refusal(message);
  if (code === "22023" && message.includes('"system_versioning"')) return refusal("option elsewhere");
  if (code === "42601" && message.toLowerCase().includes('"system_time"')) {
    return refusal("clause in a body");
  }
  const { tokens, calls } = parse(sql, false);
  const isCall = (token, i) =>
    tokens[i + 1]?.text === "(" && RegExp(CALL).test(`${token.text.toLowerCase()}(`);
  if (!calls.length && !tokens.some(isCall)) return null;
  if (code === "22007" || code === "22008") return refusal("instant not read", { reason: message });
  if (code === "ST001") return new Refusal(`${message}\n${hint}`);
  const found = code === "42883" && message.match(RegExp(`function (.+)${CALL}(.*?)\\)`));
  if (!found) return null;
  const isInstant = (type) => ["unknown", "date"].includes(type) || type.startsWith("timestamp");
  const type = found[3] && found[3].split(", ").find((each) => !isInstant(each));
  if (type) {
    const form = shown(FORMS.find((each) => each.suffix === found[2]).clause);
    return refusal("instant of another type", { table: found[1], form, type });
  }
  return refusal("no history", { table: found[1], others: others.join(", ") || "nothing yet" });
}
