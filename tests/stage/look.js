// What a spectator sees of the demo in JupyterLab. A beat begins with a question: prose with a
// heading, or prose before a code cell; it ends before the next question.
window.stage = (() => {
  const panel = () => window.jupyterapp.shell.currentWidget;
  const cells = () => panel().content.widgets;
  const asks = (cell, next) =>
    cell.model.type === "markdown" &&
    (next?.model.type === "code" || cell.node.querySelector("h1, h2") !== null);
  const shown = (cell) =>
    cell.node.querySelectorAll(".jp-OutputArea-output").length >= cell.model.outputs.length;
  const remarks = () =>
    [...cells().keys()].filter(
      (i) =>
        cells()[i - 1]?.model.type === "code" &&
        cells()[i].model.type === "markdown" &&
        !asks(cells()[i], cells()[i + 1]),
    );

  return {
    ready: () => panel()?.sessionContext?.session?.kernel?.status === "idle" && cells().length > 0,
    kernel: () => panel().sessionContext.session.kernel.name,
    cells: () =>
      cells().map((cell, i) => ({
        id: cell.model.id,
        code: cell.model.type === "code",
        asks: asks(cell, cells()[i + 1]),
      })),
    active: () => panel().content.activeCellIndex,
    go: (i) => {
      panel().content.activeCellIndex = i;
      cells()[i].node.scrollIntoView();
      cells()[i].node.focus();
    },
    done: (i) => {
      const { executionCount, executionState } = cells()[i].model;
      return executionCount !== null && executionState !== "running" && shown(cells()[i]);
    },
    source: (i) => cells()[i].model.sharedModel.source,
    // What is on screen below a cell: its output's text, and whether the remark on it can be read.
    below: (i) => ({
      said: cells()[i].outputArea.node.innerText.trim(),
      figures: cells()[i].outputArea.node.querySelectorAll("svg.mb-figure").length,
      title: cells()[i].outputArea.node.querySelector("svg.mb-figure text, svg.mb-figure")?.textContent ?? "",
      remark: remarks().includes(i + 1) ? getComputedStyle(cells()[i + 1].node).opacity === "1" : null,
    }),
    remarks: () => remarks().map((i) => getComputedStyle(cells()[i].node).opacity === "1"),
    outputs: (i) => cells()[i].model.outputs?.toJSON() ?? [],
    // Where the cells from `first` to `last` stand in the part of the page that shows the notebook.
    place: (first, last) => {
      const view = document.querySelector(".jp-WindowedPanel-outer").getBoundingClientRect();
      const [top, bottom] = [cells()[first].node, cells()[last].node].map((node) =>
        node.getBoundingClientRect(),
      );
      return { top: top.top - view.top, bottom: bottom.bottom - view.top, room: view.height };
    },
    whole: (first, last) => {
      const { top, bottom, room } = window.stage.place(first, last);
      return top > -2 && bottom < room + 2;
    },
    intruders: () => document.querySelectorAll(".jp-Dialog, .Toastify__toast").length,
  };
})();
