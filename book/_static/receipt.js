/* The receipt: the payments behind a bar, as of where the slider stands. The page holds every
   store's as of the board pack, with what other stops of the slider list (book/made/receipt.py);
   this shows one of them and says in it what was known at the stop. */
(() => {
  const figure = document.querySelector(".drag"), fold = document.querySelector(".receipts");
  const parse = (part) => JSON.parse(part.querySelector("script").textContent);
  const { stores, pack, stops } = parse(figure), { same } = parse(fold);
  const slider = figure.querySelector("input"), said = document.querySelector(".receipt-said");
  const bars = stores.map((store) => figure.querySelector(`[data-store="${store}"]`));
  const receipts = stores.map((store) => read(fold.querySelector(`[data-receipt="${store}"]`)));
  const title = fold.querySelector("summary"), today = stops.length - 1;
  const money = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
  const dollars = (cents) => money.format(cents / 100);
  let picked, opener, telling;   // a store's number, what to return to, a timer

  /* Under the slider, so that a bar and its receipt are seen together. */
  figure.querySelector(".drag-time").after(fold);

  function read(section) {
    const rows = [...section.querySelectorAll("[data-steps]")];
    rows.forEach((row) => { row.hidden = false; });
    return { section, rows: rows.map((row) => ({ row, steps: JSON.parse(row.dataset.steps) })) };
  }

  /* From a stop on, an amount; null while it is not posted and when it is void; before, nothing. */
  const step = (steps, place) => steps.findLast(([from]) => from <= place);

  function word([from, cents], steps) {
    return cents !== null ? dollars(cents) : from === steps[0][0] ? "not posted" : "void";
  }

  function draw() {
    const { cents, asof } = stops[slider.value];
    const shown = picked ? stores.indexOf(picked) : cents.indexOf(Math.max(...cents));
    receipts.forEach(({ section }, i) => { section.hidden = i !== shown; });
    bars.forEach((bar, i) => bar.setAttribute("aria-expanded", stores[i] === picked));
    fold.classList.toggle("now", asof === "today");
    const text = add(shown, Number(slider.value));
    tell(picked ? text : "");
  }

  /* What is the same then, in the board pack and today is counted; the others are listed. */
  function add(store, place) {
    const { section, rows } = receipts[store], find = (part) => section.querySelector(part);
    const counted = [], others = [];
    let [count, total] = same[place][store];
    const kept = `${plural(count)} unchanged since${place < pack ? "" : " the board pack"}`;
    find(".receipt-same span").textContent = kept;
    find(".receipt-same b").textContent = dollars(total);
    for (const { row, steps } of rows) {
      const [then, before, now] = [place, pack, today].map((stop) => step(steps, stop));
      if (!then || (then[1] === before[1] && then[1] === now[1])) continue;
      (then[1] === null ? others : counted).push(row);
      total += then[1];
      write(row.querySelector(".sum"), ...[then, before, now].map((each) => word(each, steps)));
      mark(row, stops[place].asof);
    }
    fill(find(".counted"), counted);
    fill(find(".others"), others);
    find(".receipt-others").hidden = !others.length;
    const [before, now] = [pack, today].map((stop) => dollars(stops[stop].cents[store]));
    write(find(".receipt-total .sum"), dollars(total), before, now);
    const { when, asof } = stops[place], known = asof === "today" ? when : `on ${when}`;
    find(".receipt-date").textContent = known;
    return `Store ${stores[store]}’s June as known ${known}: ${kept} and ${counted.length} listed ` +
      `add up to ${dollars(total)}; not in it: ${others.length}.`;
  }

  const plural = (count) => `${count} ${count === 1 ? "payment" : "payments"}`;

  function write(sum, then, before, now) {
    const was = /\d/.test(before) ? `board pack ${before}` : "not in board pack";
    sum.querySelector("b").textContent = then;
    sum.querySelector(".pack").textContent = before === then ? "" : was;
    sum.querySelector(".today").textContent = now === then ? "" : `today ${now}`;
  }

  /* The version that holds: from its sys_start on, until its sys_end. */
  function mark(row, asof) {
    const instant = asof === "today" ? "9999" : asof.replace("T", " ");
    for (const version of row.querySelector("tbody").rows) {
      const [, start, end] = [...version.cells].map((cell) => cell.textContent);
      version.classList.toggle("holds", start <= instant && instant < end);
    }
  }

  /* Rows that stay are not touched: one of them may have the focus. */
  function fill(list, rows) {
    const stays = rows.length === list.children.length;
    if (!stays || rows.some((row, i) => row !== list.children[i])) list.replaceChildren(...rows);
  }

  /* Read out once the slider stands still. */
  function tell(text) {
    clearTimeout(telling);
    telling = setTimeout(() => { if (said.textContent !== text) said.textContent = text; }, 400);
  }

  function open(store, from) {
    picked = store;
    opener = from;
    fold.open = true;
    draw();
    const { section } = receipts[stores.indexOf(store)];
    section.focus({ preventScroll: true });
    bars[stores.indexOf(store)].scrollIntoView({ block: "start" });
  }

  function close() {
    picked = undefined;
    fold.open = false;
    draw();
  }

  /* The address names the store, so that the receipt can be sent. */
  function keep() {
    const asked = new URLSearchParams(picked ? { store: picked } : {});
    asked.set("asof", stops[slider.value].asof);
    history.replaceState(null, "", `#${decodeURIComponent(asked)}`);
  }

  function leave() {
    close();
    keep();
    opener?.focus();
  }

  /* #store=5&asof=2023-07-01: the slider (drag.js) has moved when this is asked. */
  function follow() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const store = Number(asked.get("store")), i = stores.indexOf(store);
    if (i >= 0) open(store, bars[i]);
    else if (picked && asked.has("asof")) close();
  }

  bars.forEach((bar, i) => {
    bar.disabled = false;
    bar.addEventListener("click", () => {
      if (picked === stores[i]) return leave();
      open(stores[i], bar);
      keep();
    });
  });
  title.addEventListener("click", (event) => {
    event.preventDefault();
    if (fold.open) return leave();
    draw();
    open(stores[receipts.findIndex(({ section }) => !section.hidden)], title);
    keep();
  });
  for (const { section } of receipts) {
    const button = section.querySelector("button");
    button.hidden = false;
    button.addEventListener("click", leave);
  }
  for (const part of [figure, fold]) {
    part.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && picked) leave();
    });
  }
  figure.addEventListener("moved", draw);
  addEventListener("hashchange", follow);
  draw();
  follow();
})();
