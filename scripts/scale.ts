// docs/scale.md: what a site of a given size takes, and what breaks first, from measured costs, formulas and simulations. `make scale` writes the
// page, and test/docs says when the page is not what the model says.
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { scalePage } from "./scale/page.ts";
import { simulated } from "./scale/simulated.ts";

writeFileSync(resolve(import.meta.dirname, "../docs/scale.md"), scalePage(await simulated()));
