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
   - refuse a name that a TEMP table hides, and name the key that ON CONFLICT needs;
   - leave statements alone where standard_conforming_strings is off;
   - fill in parameters. %s and %(name)s are an operator and a name here; only with
     { placeholders: true } are they what drivers make of them, as the tests ask. */

import {
  BEFORE_NAME, BEFORE_NEW, CALLED, FOLLOWS, FORMS, LIST_ENDS, MAKE, MEANING, NAMES_FOLLOW, RESERVED,
  TEXTS, UNITS, VALUES, WRITING,
} from "./clause_data.js";

export class Refusal extends Error {
  name = "Refusal";
}

class Unfinished extends Error {}

const refusal = (about, facts = {}) =>
  new Refusal(TEXTS[about].replace(/\{(\w+)\}/g, (_, fact) => facts[fact]));

// --- Tokens ---------------------------------------------------------------------------------------

const LETTER = String.raw`[A-Za-z_\x80-\uffff]`, REST = String.raw`[\w\x80-\uffff]*`;
const COMMENT = String.raw`--[^\n\r]*(?![^\n\r])`;
const SPACE = String.raw`(?:[ \t\n\r\f\v]|${COMMENT})*`;
// The quote that ends is not doubled: (?!') keeps a search for the end from coming back to one that is.
const TEXT = String.raw`'(?:[^']|'')*'(?!')`, ESCAPED = String.raw`'(?:[^'\\]|\\[^]|'')*'(?!')`;
const MORE = String.raw`[ \t\f\v]*(?:${COMMENT})?[\n\r]${SPACE}`; // after a line's end a string goes on
const ESCAPE = String.raw`(?:${SPACE}[Uu][Ee][Ss][Cc][Aa][Pp][Ee]${SPACE}${TEXT})?`;
const PLACEHOLDER = String.raw`%\([^()'"]*\)s|%s(?![\w\x80-\uffff])`;
const SIGNS = String.raw`~!@#^&|\x60?+*<>=`;
const DIGITS = String.raw`\d[\d_]*`;
const KINDS = ["string", "quoted", "word", "number", "parameter", "comment", "unfinished", "other",
               "operator"];

const tokenPattern = (placeholder, percent) => new RegExp([
  `(?<string>[Ee]${ESCAPED}(?:${MORE}${ESCAPED})*|[BXNbxn]?${TEXT}(?:${MORE}${TEXT})*`,
  String.raw`[Uu]&${TEXT}(?:${MORE}${TEXT})*${ESCAPE}|\$(?<tag>(?:${LETTER}${REST})?)\$[^]*?\$\k<tag>\$)`,
  `(?<quoted>"(?:[^"]|"")+"(?!")|[Uu]&"(?:[^"]|"")+"(?!")${ESCAPE})`,
  String.raw`(?<word>${LETTER}[\w$\x80-\uffff]*)`,
  String.raw`(?<number>0[XxOoBb][\dA-Fa-f_]+|(?:${DIGITS}(?:\.(?!\.)[\d_]*)?|\.${DIGITS})(?:[Ee][+-]?${DIGITS})?)`,
  String.raw`(?<parameter>\$\d+|${placeholder}:${LETTER}${REST})`,
  String.raw`(?<comment>/\*)`,
  String.raw`(?<unfinished>['"]|\$(?:${LETTER}${REST})?\$)`,
  String.raw`(?<other>::|:=|=>(?![${SIGNS}/%-])|[^${SIGNS}/%\s-])`,
  String.raw`(?<operator>(?:[${SIGNS}]|-(?!-)|/(?!\*)|${percent})+)`,
].join("|"), "y");
const PLAIN = tokenPattern("", "%");
const DRIVERS = tokenPattern(`${PLACEHOLDER}|`, `%%|(?!${PLACEHOLDER})%`);
const BLANK = new RegExp(SPACE, "y");
const PREFIX = /(?!\?$)[~!@#&|`?]|[+)-]$/; // a ? alone is a driver's placeholder

const OUTSIDE = { kind: "end", text: "", start: 0, end: 0 };

/* The tokens of `sql` between those that stand for its outside, so that looking around is safe. */
function tokenize(sql, placeholders) {
  const pattern = placeholders ? DRIVERS : PLAIN, tokens = [OUTSIDE];
  for (let at = 0; ;) {
    BLANK.lastIndex = at;
    const start = at += BLANK.exec(sql)[0].length;
    if (at === sql.length) return [...tokens, OUTSIDE, OUTSIDE];
    pattern.lastIndex = at;
    const found = pattern.exec(sql), kind = KINDS.find((each) => found?.groups[each] !== undefined);
    if (!kind || kind === "unfinished") throw new Unfinished();
    at += found[0].length;
    if (kind === "comment") {
      at = commentEnd(sql, at);
      continue;
    }
    const isBare = kind === "word" && !/[^\0-\x7f]/.test(found[0]);
    tokens.push({ kind, text: isBare ? found[0].toUpperCase() : found[0], start, end: at });
  }
}

/* Where the comment ends whose beginning ends at `at`: they nest. */
function commentEnd(sql, at) {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = at;
  for (let depth = 1, found; (found = marks.exec(sql));) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  throw new Unfinished();
}

/* Whether it can name a table or be its alias. */
const isName = (token) =>
  token.kind === "quoted" || (token.kind === "word" && !RESERVED.has(token.text));
const isPart = (token) => token.kind === "quoted" || token.kind === "word";

/* The name as the catalog has it. */
function identifier({ kind, text }) {
  if (kind !== "quoted") return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return text.slice(text.indexOf('"') + 1, text.lastIndexOf('"')).replaceAll('""', '"');
}

/* `sql` with these edits, [from, up to, what stands there instead], which do not overlap. */
function edited(sql, edits) {
  let text = "", at = 0;
  for (const [start, end, instead] of [...edits].sort((one, other) => one[0] - other[0])) {
    text += sql.slice(at, start) + instead;
    at = end;
  }
  return text + sql.slice(at);
}

const says = (tokens, i, ...words) => words.every((word, n) => tokens[i + n]?.text === word);
const depthOf = ({ text }) => ({ "(": 1, "[": 1, ")": -1, "]": -1 })[text] ?? 0;

/* Index of the first token of the dotted name that ends with tokens[i]. */
function nameStart(tokens, i) {
  while (tokens.at(i - 1).text === "." && isPart(tokens.at(i - 2))) i -= 2;
  return i;
}

/* Index of the token after the dotted name that begins at tokens[i]. */
function afterName(tokens, i) {
  while (tokens[i + 1].text === "." && isPart(tokens[i + 2])) i += 2;
  return i + 1;
}

function afterBracket(tokens, i) {
  for (let depth = 0, j = i; j < tokens.length - 2; j++) {
    depth += depthOf(tokens[j]);
    if (depth === 0) return j + 1;
  }
  throw new Unfinished();
}

// --- Expressions ----------------------------------------------------------------------------------

/* Index of the token after the expression that begins at tokens[i]; `i` if none is complete. */
function afterExpression(tokens, i) {
  const begin = i;
  for (let end = 0; i !== end;) {
    for (let after; (after = afterOperator(tokens, i)) > i && PREFIX.test(tokens[after - 1].text);) {
      i = after;
    }
    const operand = afterOperand(tokens, i);
    if (operand === i) return begin;
    end = afterSuffixes(tokens, operand);
    i = says(tokens, end, "AT", "TIME", "ZONE") ? end + 3 : afterOperator(tokens, end);
  }
  return i;
}

function afterOperator(tokens, i) {
  if (tokens[i].kind === "operator") return i + 1;
  const after = says(tokens, i, "OPERATOR", "(") ? afterBracket(tokens, i + 1) : 0;
  return after && tokens[after - 2].kind === "operator" ? after : i;
}

function afterOperand(tokens, i) {
  const token = tokens[i], { kind, text } = token;
  if (text === "(") return afterBracket(tokens, i);
  if (text === "CASE") return afterCase(tokens, i);
  if (["number", "string", "parameter"].includes(kind) || text === "?") return i + 1;
  if (!isName(token) && !CALLED.has(text) && !VALUES.has(text)) return i;
  const typed = afterType(tokens, i), named = afterName(tokens, i);
  if (["string", "parameter"].includes(tokens[typed].kind)) {
    const hasUnits = text === "INTERVAL" && tokens[typed - 1] === token;
    return hasUnits ? afterUnits(tokens, typed + 1) : typed + 1;
  }
  if (tokens[named].text === "(" || says(tokens, i, "ARRAY", "[")) {
    return afterAggregate(tokens, afterBracket(tokens, named));
  }
  return CALLED.has(text) ? i : named;
}

function afterCase(tokens, i) {
  for (let depth = 0, j = i; j < tokens.length - 2;) {
    if (["(", "["].includes(tokens[j].text)) {
      j = afterBracket(tokens, j);
      continue;
    }
    if (tokens[j - 1].text !== ".") depth += { CASE: 1, END: -1 }[tokens[j].text] ?? 0;
    j++;
    if (depth === 0) return j;
  }
  return i;
}

/* Index after what may follow a call, and is no alias with the names of its columns. */
function afterAggregate(tokens, i) {
  for (const words of [["WITHIN", "GROUP"], ["FILTER"], ["OVER"]]) {
    const inside = i + words.length + 1;
    if (says(tokens, i, ...words, "(")
        && !(isName(tokens[inside]) && [",", ")"].includes(tokens[inside + 1].text))) {
      i = afterBracket(tokens, inside - 1);
    }
  }
  const named = says(tokens, i, "OVER") && isName(tokens[i + 1]);
  return named && !says(tokens, i + 1, "FORMAT", "JSON") ? i + 2 : i;
}

/* Index after subscripts, fields, casts, COLLATE and AT LOCAL. */
function afterSuffixes(tokens, i) {
  for (;;) {
    const { text } = tokens[i], more = tokens[i + 1];
    if (text === "[") i = afterBracket(tokens, i);
    else if (text === "." && (isPart(more) || more.text === "*")) i += 2;
    else if (text === "::" && isPart(more)) i = afterType(tokens, i + 1);
    else if (text === "COLLATE" && isPart(more)) i = afterName(tokens, i + 1);
    else if (text === "AT" && more.text === "LOCAL") i += 2;
    else if (text === "%s") i += 1; // in text that no driver fills in, % and a column
    else return i;
  }
}

function afterType(tokens, i) {
  let { text } = tokens[i];
  if (text === "NATIONAL" && ["CHARACTER", "CHAR"].includes(tokens[i + 1].text)) {
    [i, text] = [i + 1, "CHAR"];
  }
  i = says(tokens, i, "DOUBLE", "PRECISION") ? i + 2 : afterName(tokens, i);
  const varies = ["CHARACTER", "CHAR", "NCHAR", "BIT"].includes(text);
  if (varies && tokens[i].text === "VARYING") i++;
  if (tokens[i].text === "(") i = afterBracket(tokens, i);
  if (["TIMESTAMP", "TIME"].includes(text) && says(tokens, i + 1, "TIME", "ZONE")
      && ["WITH", "WITHOUT"].includes(tokens[i].text)) i += 3;
  if (text === "INTERVAL" && tokens[i - 1].text !== ")") i = afterUnits(tokens, i);
  if (tokens[i].text === "ARRAY") i++;
  while (tokens[i].text === "[") i = afterBracket(tokens, i);
  return i;
}

/* Index after what may follow interval '1': DAY, or DAY TO SECOND (3). */
function afterUnits(tokens, i) {
  const ranges = UNITS[tokens[i].text];
  if (!ranges) return i;
  if (tokens[i + 1].text === "TO" && ranges.includes(tokens[i + 2].text)) i += 2;
  return says(tokens, i, "SECOND", "(") ? afterBracket(tokens, i + 1) : i + 1;
}

// --- References -----------------------------------------------------------------------------------

/* Each name that has FOR SYSTEM_TIME, or FOR TIMESTAMP, behind it: the indexes of its last token and
   of FOR, whether it is read as a table, the word before its bracket if that holds no query, and who
   else has taken the name. A level stands for what one bracket holds, or a statement. */
function* references(tokens) {
  const newLevel = (openedBy, withNames) =>
    ({ openedBy, part: "", table: 0, verb: "", withNames: new Set(withNames), coming: new Map() });
  const levels = [newLevel("", [])], made = new Set();
  let making = [];
  for (let i = 1; i < tokens.length - 2; i++) {
    const token = tokens[i], { text } = token, level = levels.at(-1);
    if (level.coming.has(i)) level.withNames.add(level.coming.get(i));
    if (text === "(" || text === "[") {
      const inside = newLevel(tokens[i - 1].text, level.withNames);
      if (level.table === i) Object.assign(inside, { part: "FROM", table: i + 1 });
      levels.push(inside);
    } else if (text === ")" || text === "]") {
      if (levels.length > 1) levels.pop();
    } else if (text === ";") {
      levels[levels.length - 1] = newLevel("", levels.at(-2)?.withNames ?? []);
      if (levels.length === 1) {
        making.forEach((name) => made.add(name));
        making = [];
      }
    } else if (text === ",") {
      level.table = level.part === "FROM" ? i + 1 : 0;
    } else if (text === "FOR" && ["SYSTEM_TIME", "TIMESTAMP"].includes(tokens[i + 1].text)) {
      yield reference(tokens, i, level, made);
    } else if (token.kind === "word" && tokens[i - 1].text !== ".") {
      making.push(...madeAt(tokens, i, level));
      enter(tokens, i, level);
    }
  }
}

/* The name that CREATE, ALTER, DROP, RENAME TO or SELECT INTO gives a meaning at tokens[i]. */
function madeAt(tokens, i, level) {
  const word = tokens[i].text, before = tokens[i - 1].text;
  const makes = (["TABLE", "VIEW"].includes(word) && MAKE.has(before))
    || says(tokens, i, "RENAME", "TO")
    || (word === "INTO" && level.part === "SELECT" && before !== "AS");
  if (!makes) return [];
  do i++; while (BEFORE_NEW.has(tokens[i].text));
  return [identifier(tokens[afterName(tokens, i) - 1])];
}

function reference(tokens, clause, level, made) {
  const name = tokens[clause - 1].text === "*" ? clause - 2 : clause - 1;
  const first = nameStart(tokens, name), called = identifier(tokens[name]);
  let hiddenBy = null;
  if (first === name && level.withNames.has(called)) hiddenBy = "WITH";
  else if (first === name && made.has(called)) hiddenBy = "CREATE";
  const isRead = level.table === first && isName(tokens[first]);
  return { name, clause, isRead, inCall: level.part ? "" : level.openedBy, hiddenBy };
}

/* Note which part of a query begins with the word tokens[i]. */
function enter(tokens, i, level) {
  const word = tokens[i].text, before = tokens[i - 1].text, { part } = level;
  const begin = (next) => Object.assign(level, { part: "FROM", table: next });
  if (before === "AS" && ["SELECT", "OTHER"].includes(part)) return; // a label, which any word can be
  if (word === "SELECT") {
    level.part = word;
  } else if (WRITING.has(word) && !["SELECT", "FROM"].includes(part)) {
    level.part = level.verb = word;
  } else if (word === "FROM" && part && !isComparison(tokens, i)) {
    if (part !== "DELETE" && !(part === "FROM" && before === "ROWS")) begin(i + 1);
  } else if (word === "USING" && ["DELETE", "MERGE"].includes(part)) {
    begin(i + 1);
  } else if ((word === "JOIN" && part === "FROM")
             || (["LATERAL", "ONLY"].includes(word) && level.table === i)) {
    level.table = i + 1;
  } else if (part === "FROM" && endsList(tokens, i, level)) {
    level.part = "OTHER";
  } else if (word === "WITH") {
    nameQueries(tokens, i, level);
  } else if (word === "VIEW" && before === "RECURSIVE") {
    level.withNames.add(identifier(tokens[afterName(tokens, i + 1) - 1]));
  }
}

/* Whether tokens[i] is the FROM of IS DISTINCT FROM. */
const isComparison = (tokens, i) =>
  tokens[i - 1].text === "DISTINCT" && ["IS", "NOT"].includes(tokens.at(i - 2).text);

function endsList(tokens, i, level) {
  const word = tokens[i].text;
  if (word === "ON" || word === "WHEN") {
    return tokens[i + 1].text === "CONFLICT" || (word === "WHEN" && level.verb === "MERGE");
  }
  return LIST_ENDS.has(word) && tokens[i - 1].text !== "WITHIN";
}

/* Note what the WITH that is tokens[i] names, from where on; if RECURSIVE, from here on. */
function nameQueries(tokens, i, level) {
  const recursive = tokens[i + 1].text === "RECURSIVE" && isName(tokens[i + 2]);
  for (const [after, name] of named(tokens, i + 1 + recursive)) {
    if (recursive) level.withNames.add(name);
    else level.coming.set(after, name);
  }
}

/* Each name in a WITH whose first is tokens[i], and the token after its query. */
function* named(tokens, i) {
  for (let body; isName(tokens[i]) && (body = queryOf(tokens, i));) {
    let after = afterBracket(tokens, body);
    yield [after, identifier(tokens[i])];
    while (!["(", ";", "", "SELECT", ...WRITING].includes(tokens[after].text)) {
      after++; // SEARCH and CYCLE have commas of their own
      if (tokens[after - 1].text === "," && queryOf(tokens, after)) break;
    }
    i = after;
  }
}

/* Which token is the bracket of the query that WITH names tokens[i]; 0 if it names none. */
function queryOf(tokens, i) {
  i++;
  if (tokens[i].text === "(") i = afterBracket(tokens, i);
  if (tokens[i].text !== "AS") return 0;
  while (["NOT", "MATERIALIZED"].includes(tokens[i + 1].text)) i++;
  return tokens[i + 1].text === "(" ? i + 1 : 0;
}

// --- The clause -----------------------------------------------------------------------------------

const BY_WORD = Object.fromEntries(FORMS.map((form) => [form.clause.split(" ")[0], form]));

const filled = (clause, ...instants) => clause.replace(/\{\}/g, () => instants.shift());
const shown = (form) => filled(form.clause, "…", "…");

/* The statement to send for `sql`; the same text where nothing is to do. */
export function rewrite(sql, { placeholders = false } = {}) {
  const low = sql.toLowerCase();
  if (!low.includes("system_") && !low.includes("for timestamp")) return sql;
  return edited(sql, parse(sql, placeholders).edits);
}

/* `sql` read; as an empty text, where PostgreSQL will say that something has no end. */
function parse(sql, placeholders) {
  const low = sql.toLowerCase();
  try {
    const tokens = tokenize(sql, placeholders);
    const edits = low.includes("system_versioning") ? optionEdits(sql, tokens) : [];
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
  const more = tokens[clause + 2].text;
  if (tokens[clause + 1].text === "TIMESTAMP" && !BY_WORD[more]) return false; // as %sqlplot has it
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
  const alias = checkAfter(tokens, i, form) ? "" : ` AS ${own}`;
  const close = name.kind === "quoted" ? name.start + name.text.lastIndexOf('"') : name.end;
  // The text between the instants gives way: before the first, after each, and after the last.
  const edits = [];
  let at = close, text = `${form.suffix}${sql.slice(close, name.end)}(`;
  for (const [before, after] of instants) {
    edits.push([at, before, text]);
    [at, text] = [after, ", "];
  }
  return [...edits, [at, end, `${instants.length ? "" : text})${alias}`]];
}

/* The form that begins at tokens[i], its instants, and which token and text come after it. */
function readForm(tokens, i) {
  const form = BY_WORD[tokens[i].text];
  if (!form) throw refusal("clause unfinished");
  const printed = tokens[i - 1].text === "TIMESTAMP"; // jupysql's: FROM (a, b), BETWEEN (a, b)
  const clause = printed ? form.clause.replace(/\{\} \w+ \{\}/, "({}, {})") : form.clause;
  const instants = [];
  let end = 0;
  for (const piece of clause.split("{}")) {
    if (end) {
      const begin = i;
      i = afterExpression(tokens, i);
      if (i === begin) throw refusal("no instant", { form: shown(form) });
      end = tokens[i - 1].end;
      instants.push([tokens[begin].start, end]);
    }
    for (const word of piece.match(/\w+|\S/g) ?? []) {
      if (tokens[i].text !== word) {
        const example = filled(form.clause, "'2023-07-01'", "'2023-08-01'");
        throw refusal("form unfinished", { form: shown(form), word, example });
      }
      end = tokens[i++].end;
    }
  }
  return { form, instants, i, end };
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
  if (textAt(name) === ")" || textAt(table) === ")") throw refusal("clause after a bracket");
  if (isName(tokens[name]) && isName(tokens.at(table))) {
    const known = sql.slice(tokens[nameStart(tokens, table)].start, tokens[table].end);
    throw refusal("clause after the alias", { table: known, alias: read });
  }
  throw refusal("clause without a table");
}

/* Whether an alias begins at tokens[i]. Throws where what comes next can't follow the clause. */
function checkAfter(tokens, i, form) {
  const name = tokens[i].text === "AS" ? i + 1 : i;
  const hasAlias = name > i || (isName(tokens[i]) && !says(tokens, i, "FORMAT", "JSON"));
  let after = tokens[name].text !== "(" ? name + hasAlias : name;
  if (hasAlias && tokens[after].text === "(") {
    // TIMESTAMP now(), of which the instant is TIMESTAMP
    if (!isName(tokens[after + 1])) throw refusal("no instant", { form: shown(form) });
    after = afterBracket(tokens, after);
  }
  const word = tokens[after].text;
  const goesOn = !FOLLOWS.has(word) || says(tokens, after, "WITH", "ORDINALITY");
  if (goesOn && !says(tokens, after, "FORMAT", "JSON")) {
    throw refusal("clause goes on", { form: shown(form), word });
  }
  return hasAlias;
}

// --- CREATE TABLE … WITH (system_versioning = true) ------------------------------------------------

/* What takes the option out of each CREATE TABLE in `sql`, and sets a call behind it. */
function optionEdits(sql, tokens) {
  const edits = [], inside = tokens.slice(1, -2);
  for (let start = 0; start < inside.length;) {
    const found = inside.findIndex((token, i) => i >= start && token.text === ";");
    const end = found < 0 ? inside.length : found;
    if (start < end) edits.push(...created(sql, [OUTSIDE, ...inside.slice(start, end), OUTSIDE, OUTSIDE]));
    start = end + 1;
  }
  return edits;
}

/* The indexes of the tokens that no bracket holds; of a bracket, its beginning. */
function* outsideBrackets(tokens, since) {
  for (let depth = 0, i = since; i < tokens.length - 2; i++) {
    if (depth === 0) yield i;
    depth += depthOf(tokens[i]);
  }
}

function created(sql, tokens) {
  const words = tokens.slice(1, 8).map(({ text }) => text).filter((text) => !BEFORE_NAME.has(text));
  if (words[0] !== "CREATE" || words[1] !== "TABLE") return [];
  const table = tokens.findIndex(({ text }) => text === "TABLE");
  const outside = [...outsideBrackets(tokens, table)];
  const bracket = outside.find((i) => says(tokens, i, "WITH", "("));
  const found = bracket && option(sql, tokens, bracket + 1);
  let first = table + 1;
  while (BEFORE_NAME.has(tokens[first].text)) first++;
  if (!found || !isPart(tokens[first])) return [];
  const [isWanted, start, end] = found;
  if (!isWanted) return [[start, end, ""]];
  const name = tokens.slice(first, afterName(tokens, first));
  const called = sql.slice(name[0].start, name.at(-1).end);
  checkKind(tokens, table, name);
  if (outside.some((i) => tokens[i].text === "AS")) throw refusal("option on a query", { table: called });
  const last = tokens.at(-3).end;
  const procedure = `; CALL meta.created_system_versioned('${called.replaceAll("'", "''")}')`;
  return [[start, end, ""], [last, last, procedure]];
}

/* What the option in the bracket says, and which part of the text holds it and no other. */
function option(sql, tokens, bracket) {
  const close = afterBracket(tokens, bracket) - 1;
  const commas = [...outsideBrackets(tokens, bracket + 1)].filter((i) => tokens[i].text === ",");
  const ends = [bracket, ...commas.filter((i) => i < close), close];
  for (let n = 0; n < ends.length - 1; n++) {
    const before = ends[n], after = ends[n + 1], said = tokens.slice(before + 3, after);
    if (identifier(tokens[before + 1]) !== "system_versioning") continue;
    if (!["=", ",", ")"].includes(tokens[before + 2].text)) continue;
    const value = said.length ? said[0].text.replace(/^'+|'+$/g, "").toLowerCase() : "true";
    if (!Object.hasOwn(MEANING, value) || said.length > 1) {
      throw refusal("option not read", { value: sql.slice(said[0].start, said.at(-1).end) });
    }
    if (ends.length === 2) return [MEANING[value], tokens[before - 1].start, tokens[after].end];
    const [from, to] = n ? [before, after] : [before + 1, after + 1];
    return [MEANING[value], tokens[from].start, tokens[to].start];
  }
  return null;
}

/* Throw unless a table of this kind can keep its versions. */
function checkKind(tokens, table, name) {
  const words = tokens.slice(0, table).map(({ text }) => text);
  let kind = words.some((word) => ["TEMP", "TEMPORARY"].includes(word)) ? "temporary" : null;
  const schema = name.length > 1 ? identifier(name.at(-3)) : "scratch";
  if (schema !== "scratch") kind = `of schema ${schema}`;
  if (kind) throw refusal("option on another", { kind, table: identifier(name.at(-1)) });
}

// --- What PostgreSQL says --------------------------------------------------------------------------

const CALL = `(${FORMS.map((form) => form.suffix).join("|")})"?\\(`;

/* PostgreSQL's complaint about a statement, in the words of who wrote it; null where its own serve. */
export function explain(sql, { code, message, hint }, others = []) {
  if (code === "ST002") return new Refusal(message);
  if (code === "22023" && message.includes('"system_versioning"')) return refusal("option elsewhere");
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
  if (type) return refusal("instant of another type", { table: found[1], type });
  return refusal("no history", { table: found[1], others: others.join(", ") || "nothing yet" });
}
