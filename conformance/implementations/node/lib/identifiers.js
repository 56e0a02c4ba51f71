// Identifiers and globs (chapter 8).
import { same } from "./cycles.js";
import { Refusal, quote } from "./dispatch.js";

const GLOB = /[*?[]/;
const NAME = "[^/:\\n]+";
const PART = `(${NAME})(?::(${NAME}))?`;
const RELATIVE = new RegExp(`^${PART}(?:/(?:${PART}(?:/(?:${PART})?)?)?)?$`);
const SELECTED = new RegExp(`^${PART}(?:/(?:${PART}/?)?)?$`);
const WORKFLOW = new RegExp(`^(~[^/:\\n]+/)?(${NAME}(?:/${NAME})*)(?::(${NAME}))?$`);

/** A function that tells whether a text matches a glob, upper and lower case being different. */
export function matcher(glob) {
  let source = "";
  for (let at = 0; at < glob.length; at += 1) {
    const end = glob[at] === "[" ? glob.indexOf("]", at + (glob[at + 1] === "!" ? 3 : 2)) : -1;
    if (end > 0) {
      const set = glob.slice(at + 1, end);
      const negated = set.startsWith("!");
      source += `[${negated ? "^" : ""}${(negated ? set.slice(1) : set).replace(/[\\\]^[&~]/g, "\\$&")}]`;
      at = end;
    } else if (glob[at] === "*") source += ".*";
    else if (glob[at] === "?") source += ".";
    else source += glob[at].replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  }
  let pattern;
  try {
    pattern = new RegExp(`^${source}$`, "su");
  } catch {
    pattern = /^(?!)/; // such as a range that goes backwards: nothing is in it
  }
  return (text) => pattern.test(text);
}

const refuse = (item) => new Refusal(`${quote(String(item))} is not an identifier`);

function parsed(pattern, item) {
  const found = typeof item === "string" && pattern.exec(item);
  if (!found) throw refuse(item);
  return found.slice(1);
}

/** Which workflows an item selects: a function of {id, name, status}. Throws Refusal. */
export function workflowMatcher(item) {
  const [user, name, status] = parsed(WORKFLOW, item);
  const matches = matcher((user ?? "") + name);
  return (workflow) =>
    (matches(workflow.id) || (!user && matches(workflow.name))) && (!status || workflow.status === status);
}

/** Which elements an item of `ids` selects in a query: a function of {cycle, name, number, state}. */
export function relativeMatcher(item) {
  const [cycle, cycleState, task, taskState, number, numberState] = parsed(
    RELATIVE,
    typeof item === "string" ? item.replace(/^\/\//, "") : item,
  );
  const parts = { cycle, name: task, number };
  const matchers = Object.entries(parts).flatMap(([key, glob]) => (glob === undefined ? [] : [[key, matcher(glob)]]));
  const states = [cycleState, taskState, numberState].filter((state) => state !== undefined);
  return (element) =>
    matchers.every(([key, matches]) => element[key] !== undefined && matches(element[key])) &&
    states.every((state) => element.state === state);
}

/** Which elements an item selects by their name. Throws Refusal. */
export function nameMatcher(item) {
  const [name, selector] = parsed(new RegExp(`^${PART}$`), item);
  if (selector !== undefined) throw refuse(item);
  const matches = matcher(name);
  return (element) => matches(element.name);
}

/** Split an identifier of the query nodesEdges into those of workflow and task. Throws Refusal. */
export function absoluteMatcher(item) {
  if (typeof item !== "string") throw refuse(item);
  const at = item.indexOf("//");
  const workflow = at < 0 ? item : item.slice(0, at);
  const relative = at < 0 ? "" : item.slice(at + 2);
  const matchesWorkflow = workflow ? workflowMatcher(workflow) : () => true;
  const matches = relative ? relativeMatcher(relative) : () => true;
  return (element, one) => matchesWorkflow(one) && matches(element);
}

/**
 * Which tasks an item selects in a mutation: {active(proxy, all), exact}, where exact is
 * {cycle, task} if it also selects a task that is not active. Throws Refusal.
 */
export function selection(item, families) {
  const [cycle, cycleState, task, taskState] = parsed(SELECTED, item);
  const glob = matcher(cycle);
  const inCycle = GLOB.test(cycle) ? glob : (point) => same(cycle, point);
  const named = task === undefined ? () => true : matcher(task);
  const active = (proxy, all) =>
    inCycle(proxy.cycle) &&
    [proxy.name, ...families(proxy.name)].some(named) &&
    (taskState === undefined || proxy.state === taskState) &&
    (cycleState === undefined || all.some((one) => one.cycle === proxy.cycle && one.state === cycleState));
  const plain = task !== undefined && cycleState === undefined && taskState === undefined;
  return { active, exact: plain && !GLOB.test(cycle) && !GLOB.test(task) ? { cycle, task } : undefined };
}

/** The parts of the identifier of a job, {cycle, task, number}. Throws Refusal. */
export function job(item) {
  const [cycle, , task, , number] = parsed(RELATIVE, item);
  if (task === undefined || !/^\d+$/.test(number ?? "")) throw new Refusal(`${quote(item)} is not a job`);
  return { cycle, task, number: Number(number) };
}
