/* An answer of two columns as a chart: bars for labels, a line for dates. Then has round ends and now
   square ones, so that they differ in more than colour. */
const NUMBERS = new Set([20, 21, 23, 700, 701, 1700]);
const TIMES = new Set([1082, 1114, 1184]);
const MOST_BARS = 31, MOST_POINTS = 400;
const LETTER = 7.5, BAR = 26, HEIGHT = 220; // pixels

/* {element, told, kind, full}, or nothing for an answer of another shape. `full`: the least that the scale
   reaches; what it does reach is handed back. */
export function chart({ columns, rows, count }, { asof, full, width }) {
  const isLine = TIMES.has(columns[0]?.oid);
  if (columns.length !== 2 || !NUMBERS.has(columns[1].oid)) return undefined;
  if (rows.length < Math.max(count, 2) || count > (isLine ? MOST_POINTS : MOST_BARS)) return undefined;
  const points = rows.map(([label, value]) => ({ label: label ?? "null", value: Number(value ?? NaN), text: value ?? "null" }));
  if (!points.every(({ value }) => Number.isFinite(value))) return undefined;
  if (isLine && !points.every((point) => Number.isFinite(point.at = time(point.label)))) return undefined;
  const top = Math.max(full, ...points.map(({ value }) => value)), low = Math.min(0, ...points.map(({ value }) => value));
  if (top === low) return undefined;
  const element = (isLine ? line : bars)(points, { top, low, width: Math.max(width, 280) });
  const [of, what] = columns.map(({ name }) => name);
  const kind = asof ? "then" : "now";
  element.classList.add(kind);
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", `Chart of ${what} by ${of}: the table below has its ${points.length} values`);
  return { element, full: top, kind, told: `${what} by ${of}` };
}

const time = (text) => Date.parse(text.length > 10 ? text.replace(" ", "T").replace(/\+00$/, "Z") : text);

function bars(points, { top, low, width }) {
  const longest = (name) => Math.max(...points.map((point) => point[name].length)) * LETTER;
  const left = Math.min(longest("label") + 10, width / 2), right = longest("text") + 16;
  const x = (value) => left + 6 + ((value - low) / (top - low)) * (width - left - right - 12);
  return drawing(width, points.length * BAR, points.flatMap(({ label, value, text }, i) => {
    const middle = i * BAR + BAR / 2, [from, to] = [x(0), x(value)];
    return [
      words(left - 4, middle, fitted(label, left), "end"),
      shape("rect", { class: "bar", x: Math.min(from, to), y: middle - 7, width: Math.abs(to - from), height: 14 }),
      ...mark(to, middle),
      words(Math.max(from, to) + 12, middle, text, "start"),
    ];
  }));
}

function line(points, { top, low, width }) {
  const first = points.reduce((a, b) => (a.at < b.at ? a : b)), last = points.reduce((a, b) => (a.at > b.at ? a : b));
  const highest = points.reduce((a, b) => (a.value >= b.value ? a : b));
  const left = String(highest.text).length * LETTER + 10;
  const x = ({ at }) => left + ((at - first.at) / (last.at - first.at || 1)) * (width - left - 12);
  const y = (value) => 16 + ((top - value) / (top - low)) * (HEIGHT - 46);
  const way = points.map((point) => `${x(point).toFixed(1)},${y(point.value).toFixed(1)}`).join(" ");
  return drawing(width, HEIGHT, [
    shape("line", { class: "ground", x1: left, x2: width, y1: y(Math.max(low, 0)), y2: y(Math.max(low, 0)) }),
    words(left - 8, y(0), "0", "end"),
    words(left - 8, y(highest.value), highest.text, "end"),
    shape("polyline", { class: "way", points: way }),
    ...points.flatMap((point) => mark(x(point), y(point.value), points.length > 60 ? 2 : 4)),
    words(left, HEIGHT - 8, first.label.slice(0, 10), "start"),
    words(width, HEIGHT - 8, last.label.slice(0, 10), "end"),
  ]);
}

/* Both marks are drawn, and the style sheet shows the one of then or of now. */
function mark(x, y, size = 6) {
  return [
    shape("circle", { cx: x, cy: y, r: size }),
    shape("rect", { class: "square", x: x - size, y: y - size, width: 2 * size, height: 2 * size }),
  ];
}

function fitted(label, room) {
  const most = Math.floor((room - 10) / LETTER);
  return label.length > most ? `${label.slice(0, most - 1)}…` : label;
}

function words(x, y, text, anchor) {
  const element = shape("text", { x, y: y + 4.5, "text-anchor": anchor });
  element.textContent = text;
  return element;
}

function drawing(width, height, parts) {
  const element = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height });
  element.append(...parts);
  return element;
}

function shape(name, properties) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  return element;
}
