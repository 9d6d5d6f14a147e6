/* A row as the write-ahead log has it: what a heap record keeps of a new row, read by its columns. */
const HEADER = 5, TUPLE = 23; // bytes of a record's own header; of a row's, before its bitmap
const DAY = 86_400_000, EPOCH = Date.UTC(2000, 0, 1); // milliseconds
const READ = { integer, numeric, "timestamp with time zone": instant };

/* {column: text} of the bytes \x… of a record; a column that is null is left out. */
export function row(hex, columns) {
  const bytes = Uint8Array.from(hex.slice(2).match(/../g), (pair) => parseInt(pair, 16));
  const view = new DataView(bytes.buffer);
  const [infomask, start] = [view.getUint16(2, true), bytes[4]];
  const isNull = (i) => infomask & 1 && !(bytes[HEADER + (i >> 3)] & (1 << (i & 7)));
  let at = HEADER + start - TUPLE;
  return Object.fromEntries(columns.flatMap(({ name, type }, i) => {
    if (isNull(i)) return [];
    const [text, end] = READ[type](view, at, HEADER - TUPLE);
    at = end;
    return [[name, text]];
  }));
}

/* The place that a value of that size begins at, counted from where the row does. */
function aligned(at, size, origin) {
  return Math.ceil((at - origin) / size) * size + origin;
}

function integer(view, at, origin) {
  const place = aligned(at, 4, origin);
  return [String(view.getInt32(place, true)), place + 4];
}

function instant(view, at, origin) {
  const place = aligned(at, 8, origin);
  const micros = view.getBigInt64(place, true), whole = micros / 1000n;
  const rest = micros - whole * 1000n;
  const text = new Date(Number(whole) + EPOCH).toISOString().slice(0, -1).replace("T", " ");
  const digits = `${text}${String(rest).padStart(3, "0")}`.replace(/\.?0+$/, "");
  return [`${digits}+00`, place + 8];
}

/* Groups of four digits, in the short form that all but huge numbers have. */
function numeric(view, at) {
  const length = view.getUint8(at) >> 1, header = view.getUint16(at + 1, true);
  if (!(view.getUint8(at) & 1) || (header & 0xc000) !== 0x8000) throw new Error("A number of another form.");
  const weight = (header & 0x3f) - (header & 0x40), scale = (header >> 7) & 0x3f;
  const groups = Array.from({ length: (length - 3) / 2 }, (_, i) => view.getInt16(at + 3 + 2 * i, true));
  const group = (power) => String(groups[weight - power] ?? 0).padStart(4, "0");
  const powers = (from, to) => Array.from({ length: Math.max(from - to + 1, 0) }, (_, i) => group(from - i)).join("");
  const whole = powers(weight, 0).replace(/^0+/, "") || "0";
  const part = powers(-1, -Math.ceil(scale / 4)).slice(0, scale);
  return [`${header & 0x2000 ? "-" : ""}${whole}${scale ? `.${part}` : ""}`, at + length];
}
