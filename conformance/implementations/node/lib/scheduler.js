// A simulated scheduler: which task is in which state; knows no sockets, and is told the time.

const DELAY = 0.2; // seconds that a job spends in each state before it runs
const DURATION = 0.5; // seconds that a job runs, unless the task says otherwise
const STANDARD = ["expired", "submitted", "submit-failed", "started", "succeeded", "failed"];

export class Scheduler {
  /** Whether the workflow came to its end by itself. */
  ended = false;

  constructor(definition, { paused }) {
    this.definition = definition;
    this.paused = paused;
    this.stopping = false;
    this.proxies = new Map();
    for (const cycle of definition.cyclePoints)
      for (const name of definition.scheduled) this.#create(cycle, name);
    for (const one of this.proxies.values())
      for (const { key } of one.prerequisites) this.proxies.get(key).dependents.push(one);
  }

  get status() {
    return this.stopping ? "stopping" : this.paused ? "paused" : "running";
  }

  #create(cycle, name) {
    const settings = this.definition.tasks.get(name) ?? {};
    const prerequisites = this.definition
      .prerequisites(name, cycle)
      .map((source) => ({ ...source, key: `${source.cycle}/${source.name}`, satisfied: false }));
    const custom = Object.entries(settings.outputs ?? {});
    this.proxies.set(`${cycle}/${name}`, {
      cycle,
      name,
      settings,
      prerequisites,
      outputs: new Map(
        [...STANDARD.map((label) => [label, label]), ...custom].map(([label, message]) => [
          label,
          { label, message, satisfied: false },
        ]),
      ),
      dependents: [],
      jobs: [],
      state: "waiting",
      active: prerequisites.length === 0,
      due: 0, // when its job goes on
    });
  }

  /** Let everything happen that is due at a time, in seconds. Returns whether something did. */
  step(now) {
    let changed = false;
    for (const one of this.proxies.values())
      if (one.active && one.due <= now) changed = this.#advance(one, now) || changed;
    const active = [...this.proxies.values()].some((one) => one.active);
    this.ended = this.proxies.size > 0 && !active;
    return changed;
  }

  #advance(one, now) {
    const { state, settings } = one;
    if (state === "waiting") {
      if (this.paused || this.stopping || settings.external_trigger) return false;
      if (!one.prerequisites.every(({ satisfied }) => satisfied)) return false;
      this.#enter(one, "preparing", now + DELAY);
    } else if (state === "preparing") {
      const failed = settings.outcome === "submit-failed";
      one.jobs.push({ number: one.jobs.length + 1, submitted: now });
      this.#enter(one, failed ? "submit-failed" : "submitted", now + DELAY, now);
    } else if (state === "submitted") {
      one.jobs.at(-1).started = now;
      this.#enter(one, "running", now + (settings.seconds ?? DURATION));
      this.#satisfy(one, "started", now);
    } else if (state === "running") {
      one.jobs.at(-1).finished = now;
      for (const label of Object.keys(settings.outputs ?? {})) this.#satisfy(one, label, now);
      this.#enter(one, settings.outcome ?? "succeeded", 0, now);
      one.active = one.state === "failed" && !this.definition.handlesFailure(one.name);
    } else return false;
    return true;
  }

  #enter(one, state, due, now) {
    Object.assign(one, { state, due });
    const job = one.jobs.at(-1);
    if (job) job.state = state;
    if (one.outputs.has(state)) this.#satisfy(one, state, now);
  }

  #satisfy(one, label, now) {
    Object.assign(one.outputs.get(label), { satisfied: true, time: now });
    for (const other of one.dependents)
      for (const prerequisite of other.prerequisites)
        if (prerequisite.key === `${one.cycle}/${one.name}` && prerequisite.output === label) {
          prerequisite.satisfied = true;
          if (other.state === "waiting") other.active = true;
        }
  }
}
