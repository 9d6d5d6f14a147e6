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
