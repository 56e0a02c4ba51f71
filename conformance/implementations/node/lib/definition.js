// The workflow of a fixture, workflow.yaml: its tasks, families and graph.
import { join } from "node:path";
import { parse } from "yaml";
import { readText } from "./files.js";

const ROOT = "root";
const list = (value) => (value === undefined ? [] : [value].flat());

/** Read the definition in a run directory; one without tasks if there is none. */
export async function readDefinition(runDirectory) {
  return new Definition(parse((await readText(join(runDirectory, "workflow.yaml"))) ?? "") ?? {});
}

export class Definition {
  constructor({ cycle_points = [], families = {}, tasks = {}, graph = [] }) {
    this.cyclePoints = cycle_points.map(String);
    this.dates = this.cyclePoints.some((cycle) => cycle.includes("T"));
    this.families = new Map([[ROOT, undefined]]);
    for (const [name, settings] of Object.entries(families))
      if (name !== ROOT) this.families.set(name, settings?.parent ?? ROOT);
    this.tasks = new Map(Object.entries(tasks).map(([name, settings]) => [name, settings ?? {}]));
    this.dependencies = graph.flatMap(({ before, after, cycle = 0, output = "succeeded" }) =>
      list(before).map((name) => ({ before: name, after, cycle, output })),
    );
    this.scheduled = new Set(graph.flatMap(({ before, after }) => [...list(before), ...list(after)]));
  }

  /** The families of a task or a family, the nearest first. */
  ancestors(name) {
    const first = this.tasks.has(name) ? (this.tasks.get(name).parent ?? ROOT) : this.families.get(name);
    return first === undefined ? [] : [first, ...this.ancestors(first)];
  }

  /** What a task waits for at a cycle point: [{cycle, name, output}]. */
  prerequisites(name, cycle) {
    return this.dependencies
      .filter(({ after }) => after === name)
      .map(({ before, cycle: offset, output }) => ({
        cycle: offset ? String(Number(cycle) + offset) : cycle,
        name: before,
        output,
      }))
      .filter((source) => this.cyclePoints.includes(source.cycle));
  }

  /** Whether something follows on the failure of a task. */
  handlesFailure(name) {
    return this.dependencies.some(({ before, output }) => before === name && output === "failed");
  }
}
