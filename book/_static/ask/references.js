/* Where a statement names the tables that it reads: system_time/references.py. */

import { BEFORE_NEW, LIST_ENDS, LOCKS, AFTER_QUERY, MAKE, WRITING } from "./clause_data.js";
import { afterBracket, afterName, identifier, isName, nameStart, says } from "./tokens.js";

/* Each name that has FOR SYSTEM_TIME, or FOR TIMESTAMP, behind it: the indexes of its last token and
   of FOR, whether it is read as a table, the word before its bracket if that holds no query, who else
   has taken the name, and its level, which stands for what one bracket holds, or a statement. */
export function* references(tokens) {
  const newLevel = (openedBy, withNames) => ({
    openedBy, part: "", table: 0, verb: "", withNames: new Set(withNames), coming: new Map(),
    outer: null, alias: null, locks: [], // whose locks mean what this one reads, too, and its alias there
  });
  const levels = [newLevel("", [])], made = new Set();
  let making = [];
  for (let i = 1; i < tokens.length - 2; i++) {
    const token = tokens[i], { text } = token, level = levels.at(-1);
    if (level.coming.has(i)) level.withNames.add(level.coming.get(i));
    if (text === "(" || text === "[") {
      const inside = newLevel(tokens[i - 1].text, level.withNames);
      if (level.table === i) Object.assign(inside, { part: "FROM", table: i + 1, outer: level });
      levels.push(inside);
    } else if (text === ")" || text === "]") {
      if (levels.length > 1) leave(tokens, i, levels.pop(), levels.at(-1));
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
      level.locks.push(...locksAt(tokens, i));
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
  return { name, clause, isRead, inCall: level.part ? "" : level.openedBy, hiddenBy, level };
}

/* The locks that mean a reference of this level and alias, once all of the text is read. */
export function* locks(level, alias) {
  for (; level; [alias, level] = [level.alias ?? alias, level.outer]) {
    yield* level.locks.filter(({ names }) => !names.length || names.includes(alias));
  }
}

/* Note how the query around the bracket that ends at tokens[i] has what is in it. */
function leave(tokens, i, level, outer) {
  const { text } = tokens[i + 1], alias = tokens[i + 1 + (text === "AS")];
  if (level.outer && isName(alias)) level.alias = identifier(alias);
  const isQuery = AFTER_QUERY.has(text) || (text === ")" && level.openedBy === "(");
  if (!["SELECT", "FROM", "OTHER"].includes(outer.part) && isQuery) level.outer = outer;
}

/* FOR UPDATE, or the like, where it begins at tokens[i], and the references that OF names. */
function* locksAt(tokens, i) {
  for (const words of LOCKS) {
    if (!says(tokens, i, "FOR", ...words)) continue;
    const names = [];
    let after = i + 1 + words.length;
    for (; ["OF", ","].includes(tokens[after].text) && isName(tokens[after + 1]); after += 2) {
      names.push(identifier(tokens[after + 1]));
    }
    yield { words: ["FOR", ...words].join(" "), names };
  }
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
