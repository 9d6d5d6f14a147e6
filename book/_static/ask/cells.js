/* A button "Run here" on each cell that the page's own PostgreSQL answers as the notebook did; the build
   has tried (book/ask/cells.py). PostgreSQL loads with the first click. This is no module: of
   a page that is opened as a file, no module would run, and the button says why. */
(() => {
  const statements = JSON.parse(document.getElementById("ask-cells").textContent);

  document.querySelectorAll(".tag_ask").forEach((cell, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "ask-here";
    button.textContent = "Run here";
    button.setAttribute("aria-label", `Run here: cell ${at + 1}`);
    button.title = "Ask this in your browser: loads PostgreSQL and the year once, 8 MB";
    cell.querySelector(".cell_input").append(button);
    const script = () => import("./here.js"); // 15 kB; PostgreSQL itself waits for a click
    for (const near of ["pointerenter", "focus"]) button.addEventListener(near, () => script().catch(() => {}), { once: true });
    button.addEventListener("pointerdown", ({ pointerType, button: which }) => { // a tenth of a second before the click
      if (pointerType === "mouse" && which === 0) import("./session.js").then(({ open }) => open()).catch(() => {});
    });
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const { become } = await script();
        become(cell, button, statements, at);
      } catch {
        button.after(Object.assign(document.createElement("p"), {
          className: "ask-status", role: "status",
          textContent: location.protocol === "file:"
            ? "A page opened as a file can't run SQL. Serve its folder: python -m http.server"
            : "This did not load. Look at your connection, and load the page again.",
        }));
      }
    });
  });
})();
