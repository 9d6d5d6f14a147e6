/* What a reader can cause: one error, whose text is of refusals.txt, as in errors.py. */

import { TEXTS } from "./clause_data.js";

export class Refusal extends Error {
  name = "Refusal";
}

export const refusal = (about, facts = {}) =>
  Object.assign(new Refusal(TEXTS[about].replace(/\{(\w+)\}/g, (_, fact) => facts[fact])), { about });
