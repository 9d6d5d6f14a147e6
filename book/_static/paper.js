// On paper everything is light and unfolded; the screen is as before when it is printed.
const page = document.documentElement;
const unfolded = [];
let theme;

addEventListener("beforeprint", () => {
  theme = page.dataset.theme;
  page.dataset.theme = "light";
  unfolded.push(...document.querySelectorAll("article details:not([open])"));
  unfolded.forEach((fold) => { fold.open = true; });
});

addEventListener("afterprint", () => {
  page.dataset.theme = theme;
  unfolded.splice(0).forEach((fold) => { fold.open = false; });
});
