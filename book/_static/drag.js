/* The introduction's slider. Each of its stops is an answer of the warehouse, written into the page
   when the book was built (book/made/drag.py); this shows the one asked for. */
(() => {
  const figure = document.querySelector(".drag");
  const { stores, pack, stops } = JSON.parse(figure.querySelector("script").textContent);
  const find = (name) => figure.querySelector(name);
  const slider = find("input"), play = find(".drag-play"), time = find(".drag-time");
  const ask = find(".drag-ask a"); // the page of one file has none
  const rows = stores.map((store) => find(`[data-store="${store}"]`));
  const cells = [...figure.querySelectorAll("td:nth-child(2)")];
  const marks = [...figure.querySelectorAll("[data-stop]")];
  const today = stops.at(-1).cents;
  const full = Math.max(...stops.flatMap((stop) => stop.cents));
  const money = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
  const dollars = (cents) => money.format(cents / 100);

  function show(place) {
    const { asof, when, title, note, cents } = stops[place];
    const best = Math.max(...cents);
    const won = stores.filter((_, i) => best > 0 && cents[i] === best);
    const wins = place < pack ? "leads" : "wins the bonus";
    const ranked = stores.map((_, i) => i).sort((a, b) => cents[b] - cents[a] || a - b);
    rows.forEach((row, i) => {
      const first = won.includes(stores[i]);
      row.classList.toggle("won", first);
      row.style.setProperty("--value", cents[i] / full);
      row.style.setProperty("--rank", ranked.indexOf(i));
      say(".who small", first ? wins : "", row);
      say(".money b", dollars(cents[i]), row);
      say(".money small", cents[i] === today[i] ? "" : dollars(today[i]), row);
      cells[i].textContent = dollars(cents[i]);
    });
    say(".drag-title", title);
    say(".drag-date", asof === "today" ? when : `on ${when}`);
    say(".drag-column", when);
    say(".drag-note", note);
    say(".drag-clause b", `'${asof.replace("T", " ")}'`);
    find(".drag-clause").hidden = asof === "today";
    if (ask) ask.hash = `sql=${encodeURIComponent(question(asof))}`;
    figure.classList.toggle("now", asof === "today");
    slider.value = place;
    time.style.setProperty("--progress", place / (stops.length - 1));
    const winner = won.length ? `store ${won.join(" and ")} ${wins}` : "no revenue yet";
    slider.setAttribute("aria-valuetext", `${when}: ${winner}`);
    figure.dispatchEvent(new Event("moved"));   // the receipt (receipt.js) moves along
  }

  /* The query as it is shown; today's has no clause. */
  function question(asof) {
    const [before, clause, after] = find(".drag-sql code").childNodes;
    return [before, asof === "today" ? "" : clause, after].map((part) => part.textContent ?? "").join("");
  }

  /* Only what changed is written, so that the live region is read out only then. */
  function say(name, text, within = figure) {
    const element = within.querySelector(name);
    if (element.textContent !== text) element.textContent = text;
  }

  /* #asof=2023-07-01, or an instant in UTC, or today: the last stop that is not later. */
  function follow() {
    const asked = new URLSearchParams(location.hash.slice(1)).get("asof");
    if (!/^(today|\d{4}-\d\d-\d\d([T ][\d:.]+)?Z?)$/.test(asked ?? "")) return;
    const asof = asked.replace(" ", "T").replace("Z", "");
    show(Math.max(0, stops.findLastIndex((stop) => stop.asof <= asof)));
  }

  /* The address follows the slider, so that it can be sent. */
  function keep() {
    const asked = new URLSearchParams(location.hash.slice(1));
    asked.set("asof", stops[slider.value].asof);
    history.replaceState(null, "", `#${decodeURIComponent(asked)}`);
  }

  function go(place) {
    show(place);
    keep();
  }

  let timer;
  function stop() {
    clearTimeout(timer);
    timer = undefined;
    play.textContent = "Play";
  }

  /* A stop with a name of its own stays longer. */
  function step(place) {
    show(place);
    if (place === stops.length - 1) return stop(), keep();
    const named = place && marks.some((mark) => Number(mark.dataset.stop) === place);
    timer = setTimeout(step, named ? 1500 : 120, place + 1);
  }

  play.addEventListener("click", () => {
    if (timer) return stop(), keep();
    play.textContent = "Pause";
    const place = Number(slider.value);
    step(place === stops.length - 1 ? 0 : place);
  });
  slider.addEventListener("input", () => (stop(), show(Number(slider.value))));
  slider.addEventListener("change", keep);
  slider.addEventListener("keydown", (event) => {
    const way = { PageUp: 1, PageDown: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    stop();
    const places = marks.map((mark) => Number(mark.dataset.stop)).sort((a, b) => way * (a - b));
    const next = places.find((place) => way * (place - slider.value) > 0);
    if (next !== undefined) go(next);
  });
  for (const mark of marks) {
    mark.disabled = false;
    mark.addEventListener("click", () => (stop(), go(Number(mark.dataset.stop))));
  }
  slider.disabled = play.hidden = false;
  show(Number(slider.value));
  addEventListener("hashchange", follow);
  follow();
})();
