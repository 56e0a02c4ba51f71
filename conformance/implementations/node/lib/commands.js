// The mutations, as commands to the scheduler (section 7.7). Each is checked as a whole before it
// has an effect; throws Refusal if it is not accepted.
import { Broadcasts } from "./broadcasts.js";
import { same, valueOf } from "./cycles.js";
import { quote, Refusal } from "./dispatch.js";
import { job, selection } from "./identifiers.js";

const UNDER_WAY = ["preparing", "submitted", "running"];

/** The proxies that the `tasks` of a mutation select, each once. */
function select(scheduler, tasks) {
  if (!tasks?.length) throw new Refusal("there are no tasks");
  const { definition } = scheduler;
  const items = tasks.map((item) => selection(item, (name) => definition.ancestors(name)));
  const active = [...scheduler.proxies.values()].filter((one) => one.active);
  const chosen = new Set(active.filter((one) => items.some((item) => item.active(one, active))));
  for (const { exact } of items)
    for (const one of exact ? scheduler.proxies.values() : [])
      if (one.name === exact.task && same(exact.cycle, one.cycle)) chosen.add(one);
  return [...chosen];
}

function point(text, dates, what = "cycle point") {
  const value = valueOf(text, dates);
  if (value === undefined) throw new Refusal(`${quote(String(text))} is no ${what}`);
  return value;
}

function prerequisite(text) {
  const found = typeof text === "string" && /^([^/:\s]+)\/([^/:\s]+)(?::([^/:\s]+))?$/.exec(text);
  if (!found && text !== "all") throw new Refusal(`${quote(String(text))} is no prerequisite`);
  if (!found) return () => true;
  const [, cycle, name, output = "succeeded"] = found;
  return (one) => same(one.cycle, cycle) && one.name === name && one.output === output;
}

const each = (act) => (scheduler, { tasks }, now) => {
  for (const one of select(scheduler, tasks)) act(scheduler, one, now);
};

export const commands = {
  pause: (scheduler) => (scheduler.paused = true),
  resume: (scheduler) => (scheduler.paused = false),
  hold: each((_, one) => (one.held = true)),
  release: each((_, one) => (one.held = false)),
  poll: each(() => {}),
  kill: each((scheduler, one, now) => scheduler.kill(one, now)),
  setVerbosity() {},
  reload: (scheduler) => (scheduler.reloaded = true),

  setHoldPoint: (scheduler, args) => scheduler.holdAfter(point(args.point, scheduler.definition.dates)),

  releaseHoldPoint(scheduler) {
    scheduler.holdPoint = undefined;
    for (const one of scheduler.proxies.values()) one.held = false;
  },

  trigger(scheduler, { tasks, onResume }, now) {
    for (const one of select(scheduler, tasks))
      if (!UNDER_WAY.includes(one.state)) scheduler.trigger(one, now, onResume);
  },

  remove(scheduler, { tasks, flow }) {
    const chosen = select(scheduler, tasks);
    if (!flow?.length || flow.some((number) => Number(number) === 1)) chosen.forEach((one) => scheduler.remove(one));
  },

  set(scheduler, { tasks, outputs, prerequisites }, now) {
    if (outputs?.length && prerequisites?.length)
      throw new Refusal("outputs and prerequisites cannot be set together");
    const matchers = (prerequisites ?? []).map(prerequisite);
    const chosen = select(scheduler, tasks);
    for (const label of outputs ?? [])
      if (typeof label !== "string") throw new Refusal(`${quote(String(label))} is no output`);
    for (const one of chosen) {
      if (matchers.length) scheduler.satisfy(one, (source) => matchers.some((matches) => matches(source)));
      else for (const label of outputs?.length ? outputs : ["succeeded"]) scheduler.complete(one, label, now);
    }
  },

  setGraphWindowExtent(scheduler, { nEdgeDistance }) {
    if (nEdgeDistance < 0) throw new Refusal("nEdgeDistance is less than 0");
    scheduler.distance = nEdgeDistance;
  },

  extTrigger(scheduler, { id, message }, now) {
    const waiting = [...scheduler.proxies.values()].filter(
      (one) => one.active && one.trigger?.message === message && !one.trigger.satisfied,
    );
    if (waiting.length) Object.assign(waiting[0].trigger, { id, satisfied: true, time: now });
  },

  message(scheduler, { taskJob, messages }, now) {
    const { cycle, task, number } = job(taskJob);
    const texts = (messages ?? []).map((pair) => pair?.[1]).filter((text) => typeof text === "string");
    const one = [...scheduler.proxies.values()].find((other) => other.name === task && same(other.cycle, cycle));
    const found = one?.jobs.find((other) => other.number === number);
    if (!found) throw new Refusal(`there is no job ${quote(taskJob)}`);
    for (const text of texts) scheduler.receive(one, found, text, now);
  },

  stop(scheduler, { mode, cyclePoint, task, clockTime, flowNum }, now) {
    if (cyclePoint != null) scheduler.stopAfter = { point: point(cyclePoint, scheduler.definition.dates) };
    else if (task != null) {
      const { exact } = selection(task, () => []);
      const one = exact && [...scheduler.proxies.values()].find((other) => other.name === exact.task && same(exact.cycle, other.cycle));
      if (!one) throw new Refusal(`there is no task ${quote(String(task))}`);
      scheduler.stopAfter = { task: one };
    } else if (clockTime != null) {
      const basic = String(clockTime).replace(/(?<=T.*):/g, "");
      scheduler.stopAfter = { time: point(basic, true, "time") / 1000 };
    } else if (flowNum == null) scheduler.stop(mode ?? "Clean", now);
  },
};

/** Set, take back or expire broadcasts; returns [what changed, what was not accepted]. */
export function broadcast(scheduler, { mode, cyclePoints, namespaces, settings, cutoff }) {
  const { broadcasts, definition } = scheduler;
  if (mode === "Expire") {
    if (cutoff == null) return [[], {}];
    const first = valueOf(cutoff, definition.dates);
    if (first === undefined) return [[], { expire: [cutoff] }];
    return [broadcasts.clear((at) => at !== "*" && valueOf(at, definition.dates) < first), {}];
  }
  const [points, badPoints] = split(cyclePoints, (text) => text === "*" || valueOf(text, definition.dates) !== undefined);
  const [names, badNames] = split(namespaces, (text) => definition.tasks.has(text) || definition.families.has(text));
  const [changes, badSettings] = split(settings, (one) => typeof one === "object" && one !== null && !Array.isArray(one) && Object.keys(one).length > 0);
  const bad = { point_strings: badPoints, namespaces: badNames, settings: badSettings };
  const refused = Object.fromEntries(Object.entries(bad).filter(([, list]) => list.length));
  if (mode === "Set")
    return [points.flatMap((at) => names.flatMap((name) => changes.flatMap((one) => broadcasts.set(at, name, one)))), refused];
  const wanted = changes.map(Broadcasts.of);
  const selected = (list, given, test) => !given?.length || list.some(test);
  return [
    broadcasts.clear(
      (at, name, path) =>
        selected(points, cyclePoints, (text) => text === at || same(text, at)) &&
        selected(names, namespaces, (text) => text === name) &&
        selected(wanted, settings, (matches) => matches(path)),
    ),
    refused,
  ];
}

function split(list, isGood) {
  const [good, bad] = [[], []];
  for (const item of list ?? []) (isGood(item) ? good : bad).push(item);
  return [good, bad];
}
