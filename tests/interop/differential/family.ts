/** A family of commands: makers of steps with weights. A share of the plain steps gets a mistake. */

import type { Draw } from "./draw.ts";
import type { Step } from "./step.ts";

export type StepMaker = (draw: Draw) => Step;

const SPOILED_PERCENT = 4;

export class Family {
  readonly name: string;
  readonly #makers: readonly (readonly [weight: number, make: StepMaker])[];
  readonly #weight: number;

  constructor(name: string, makers: readonly (readonly [weight: number, make: StepMaker])[]) {
    this.name = name;
    this.#makers = makers;
    this.#weight = makers.reduce((sum, [weight]) => sum + weight, 0);
  }

  next(draw: Draw): Step {
    const step = this.#choose(draw)(draw);
    const fixed = step.fixed ?? step.forRedis !== undefined;
    if (fixed || !draw.chance(SPOILED_PERCENT)) return step;
    return { ...step, commands: [draw.spoil(step.commands[0])] };
  }

  #choose(draw: Draw): StepMaker {
    let left = draw.below(this.#weight);
    for (const [weight, make] of this.#makers) {
      if (left < weight) return make;
      left -= weight;
    }
    throw new Error("weights do not add up");
  }
}
