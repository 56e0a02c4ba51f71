// A simulated scheduler: which task is in which state; knows no sockets, and is told the time.
import { Broadcasts } from "./broadcasts.js";
import { valueOf } from "./cycles.js";

const DELAY = 0.2; // seconds that a job spends in each state before it runs
const DURATION = 0.5; // seconds that a job runs, unless the task says otherwise
const STANDARD = ["expired", "submitted", "submit-failed", "started", "succeeded", "failed"];
const FINAL = ["succeeded", "failed", "expired", "submit-failed"];
const IMPLIED = { succeeded: ["submitted", "started"], failed: ["submitted", "started"], started: ["submitted"] };
const REASONS = { Clean: "REQUEST(CLEAN)", Kill: "REQUEST(KILL)", Now: "REQUEST(NOW)", NowNow: "REQUEST(NOW-NOW)" };
const UNDER_WAY = ["preparing", "submitted", "running"];

export class Scheduler {
  /** Why the workflow has ended, as it is published; undefined while it runs. */
  reason;
  /** Whether the definitions were read again and are still to be published. */
  reloaded = false;
  /** How many edges from active tasks the data store reaches. */
  distance = 1;
  /** The value of the cycle point after which tasks are held. */
  holdPoint;
  /** After what to stop: {point} | {task} | {time}. */
  stopAfter;
  #stopping; // the reason of a stop that waits for jobs

  constructor(definition, { paused }) {
    this.definition = definition;
    this.paused = paused;
    this.broadcasts = new Broadcasts();
    this.proxies = new Map();
    for (const cycle of definition.cyclePoints)
      for (const name of definition.scheduled) this.#create(cycle, name);
    for (const one of this.proxies.values())
      for (const { key } of one.prerequisites) this.proxies.get(key).dependents.push(one);
  }

  get status() {
    return this.#stopping || this.reason ? "stopping" : this.paused ? "paused" : "running";
  }

  #create(cycle, name) {
    const settings = this.definition.tasks.get(name) ?? {};
    const prerequisites = this.definition
      .prerequisites(name, cycle)
      .map((source) => ({ ...source, key: `${source.cycle}/${source.name}`, satisfied: false }));
    const custom = Object.entries(settings.outputs ?? {});
    const message = settings.external_trigger;
    this.proxies.set(`${cycle}/${name}`, {
      cycle,
      name,
      settings,
      prerequisites,
      outputs: new Map(
        [...STANDARD.map((label) => [label, label]), ...custom].map(([label, text]) => [
          label,
          { label, message: text, satisfied: false },
        ]),
      ),
      trigger: message === undefined ? undefined : { id: message, message, satisfied: false },
      dependents: [],
      jobs: [],
      state: "waiting",
      held: false,
      triggered: false, // runs although the workflow is paused, or it is held
      active: prerequisites.length === 0,
      due: 0, // when its job goes on
    });
  }

  /** Let everything happen that is due at a time, in seconds. Returns whether something did. */
  step(now) {
    let changed = false;
    for (const one of this.proxies.values())
      if (one.active && one.due <= now) changed = this.#advance(one, now) || changed;
    const active = [...this.proxies.values()].filter((one) => one.active);
    const busy = active.some((one) => UNDER_WAY.includes(one.state));
    if (this.#stopping && !busy) this.reason ??= this.#stopping;
    if (this.#isOver(active, now)) this.reason ??= "AUTOMATIC";
    return changed;
  }

  #isOver(active, now) {
    const { point, task, time } = this.stopAfter ?? {};
    if (time !== undefined) return now >= time;
    if (task) return FINAL.includes(task.state);
    if (point !== undefined) return !active.some((one) => valueOf(one.cycle) <= point);
    return this.proxies.size > 0 && !active.length;
  }

  #mayRun(one) {
    if (this.#stopping || this.reason) return false;
    if (one.triggered) return !one.onResume || !this.paused;
    if (this.paused || one.held || (one.trigger && !one.trigger.satisfied)) return false;
    if (valueOf(one.cycle) > (this.stopAfter?.point ?? Infinity)) return false;
    return one.prerequisites.every(({ satisfied }) => satisfied);
  }

  #advance(one, now) {
    const { state, settings } = one;
    if (state === "waiting") {
      if (!this.#mayRun(one)) return false;
      one.triggered = false;
      this.#enter(one, "preparing", now + DELAY);
    } else if (state === "preparing") {
      const failed = settings.outcome === "submit-failed";
      one.jobs.push({ number: one.jobs.length + 1, submitted: now, messages: [] });
      this.#enter(one, failed ? "submit-failed" : "submitted", now + DELAY, now);
    } else if (state === "submitted") {
      one.jobs.at(-1).started = now;
      this.#enter(one, "running", now + (settings.seconds ?? DURATION));
      this.#satisfy(one, "started", now);
    } else if (state === "running") {
      for (const label of Object.keys(settings.outputs ?? {})) this.#satisfy(one, label, now);
      this.#finish(one, settings.outcome ?? "succeeded", now);
    } else return false;
    return true;
  }

  #enter(one, state, due, now) {
    Object.assign(one, { state, due });
    const job = one.jobs.at(-1);
    if (job && now !== undefined) job.state = state;
    else if (job && state === "running") job.state = state;
    if (one.outputs.has(state)) this.#satisfy(one, state, now);
  }

  #finish(one, state, now) {
    const job = one.jobs.at(-1);
    if (job && job.finished === undefined) job.finished = now;
    this.#enter(one, state, 0, now);
    one.active = state !== "succeeded" && state !== "expired" && !(state === "failed" && this.definition.handlesFailure(one.name));
  }

  #satisfy(one, label, now) {
    Object.assign(one.outputs.get(label), { satisfied: true, time: now });
    for (const other of one.dependents)
      this.satisfy(other, (source) => source.key === `${one.cycle}/${one.name}` && source.output === label);
  }

  #activate(one) {
    if (!one.active && valueOf(one.cycle) > (this.holdPoint ?? Infinity)) one.held = true;
    one.active = true;
  }

  /** Satisfy the prerequisites of a task that a function of {cycle, name, output, key} selects. */
  satisfy(one, selects) {
    for (const prerequisite of one.prerequisites.filter(selects)) {
      prerequisite.satisfied = true;
      if (one.state === "waiting") this.#activate(one);
    }
  }

  /** Satisfy an output of a task, if it has it, and those that it implies. */
  complete(one, label, now) {
    if (!one.outputs.has(label)) return;
    for (const implied of IMPLIED[label] ?? []) this.#satisfy(one, implied, now);
    if (FINAL.includes(label)) this.#finish(one, label, now);
    else this.#satisfy(one, label, now);
  }

  /** Run a task now, whatever it waits for; or when the workflow is resumed. */
  trigger(one, now, onResume) {
    for (const output of one.outputs.values()) Object.assign(output, { satisfied: false, time: now });
    Object.assign(one, { state: "waiting", triggered: true, onResume, active: true, due: 0 });
  }

  /** Take a task out of the workflow. */
  remove(one) {
    Object.assign(one, { active: false, triggered: false, state: "waiting", held: false });
    for (const prerequisite of one.prerequisites) prerequisite.satisfied = false;
  }

  /** End the job of a task, if there is one under way. */
  kill(one, now) {
    if (one.state === "preparing") this.#finish(one, "submit-failed", now);
    else if (UNDER_WAY.includes(one.state)) this.#finish(one, "failed", now);
    else return;
    one.held = true;
  }

  /** Take a message of a job. */
  receive(one, job, text, now) {
    const output = [...one.outputs.values()].find(({ label, message }) => message === text || label === text);
    if (!output) job.messages.push(text);
    else if (output.label === "started" && one.state === "submitted") this.#advance(one, now);
    else if (!FINAL.includes(output.label) || UNDER_WAY.includes(one.state)) this.complete(one, output.label, now);
  }

  /** Hold the active tasks after a cycle point, and those that become active. */
  holdAfter(point) {
    this.holdPoint = point;
    for (const one of this.proxies.values()) if (one.active) one.held = one.held || valueOf(one.cycle) > point;
  }

  /** Stop in one of the modes of the schema, or as by a signal. */
  stop(mode, now) {
    if (mode === "Kill") for (const one of this.proxies.values()) if (one.active) this.kill(one, now);
    if (mode === "Now" || mode === "NowNow") this.reason ??= REASONS[mode];
    else this.#stopping = REASONS[mode];
  }
}
