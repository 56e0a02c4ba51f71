// Which elements the arguments of a query select, and in which order (sections 7.6, 8.4).
import { quote, Refusal } from "./dispatch.js";
import { absoluteMatcher, nameMatcher, relativeMatcher, workflowMatcher } from "./identifiers.js";

const FLAGS = ["isHeld", "isQueued", "isRunahead"];

/** The name of a field as it is in protobuf. */
export const snake = (name) => (name === "URL" ? name : name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));

// What identifiers are compared with; a job ends with its number.
const parts = (one) => ({
  name: one.name,
  cycle: one.cycle_point,
  number: one.submit_num === undefined ? undefined : one.id.split("/").at(-1),
  state: one.state,
});

const matchers = (items, matcher) => (items ?? []).map(matcher);

// All if there is no item to include, without those to leave out.
function among(include, exclude, matches) {
  return (one) =>
    (!include.length || include.some((item) => matches(item, one))) && !exclude.some((item) => matches(item, one));
}

/** The workflow, in a list, if the arguments select it. */
export function selectWorkflow(workflow, include, exclude) {
  const test = among(matchers(include, workflowMatcher), matchers(exclude, workflowMatcher), (item, one) => item(one));
  return test(workflow) ? [workflow] : [];
}

/** Those of the elements that the arguments of a field select, in their order. */
export function select(elements, args, workflow, { names = false, absolute = false } = {}) {
  if (!selectWorkflow(workflow, args.workflows, args.exworkflows).length) return [];
  const matcher = absolute ? absoluteMatcher : names ? nameMatcher : relativeMatcher;
  const byId = among(matchers(args.ids, matcher), matchers(args.exids, matcher), (item, one) => item(parts(one), workflow));
  const byState = among(args.states ?? [], args.exstates ?? [], (state, one) => one.state === state);
  const limited = (limit) => limit !== undefined && limit !== null && limit >= 0;
  const chosen = elements.filter(
    (one) =>
      byId(one) &&
      byState(one) &&
      FLAGS.every((flag) => args[flag] == null || (one[snake(flag)] ?? false) === args[flag]) &&
      (!limited(args.mindepth) || (one.depth ?? 0) >= args.mindepth) &&
      (!limited(args.maxdepth) || (one.depth ?? 0) <= args.maxdepth) &&
      (!limited(args.graphDepth) || (one.graph_depth ?? 0) <= args.graphDepth),
  );
  return sort(chosen, args.sort);
}

/** Elements in the order that `sort` asks for. */
export function sort(elements, order) {
  if (!order) return elements;
  const keys = (order.keys ?? ["id"]).map(snake);
  for (const key of keys)
    if (elements.length && !elements.some((one) => Object.hasOwn(one, key))) throw new Refusal(`there is no field ${quote(key)} to sort by`);
  const compare = (one, other) => {
    for (const key of keys) {
      const [a, b] = [one[key], other[key]];
      if (a !== b && (a === undefined || a < b)) return -1;
      if (a !== b && (b === undefined || a > b)) return 1;
    }
    return 0;
  };
  const sorted = [...elements].sort(compare);
  return order.reverse ? sorted.reverse() : sorted;
}
