// The values of the fields of the GraphQL schema, from the data store (section 7.6).
import { getNamedType, getNullableType, isEnumType, isListType, isScalarType } from "graphql";
import { select, selectWorkflow, snake, sort } from "./select.js";

/** The types of GraphQL that are elements, and their types in the data store. */
const ELEMENTS = {
  Workflow: "workflow",
  Task: "tasks",
  TaskProxy: "task_proxies",
  Family: "families",
  FamilyProxy: "family_proxies",
  Job: "jobs",
  Edge: "edges",
};
const NAMED = ["Task", "Family"];
const DEFAULTS = { Int: 0, Float: 0, String: "", ID: "", Boolean: false };

const list = (elements) => [...elements.values()];
const only = ({ workflow }) => list(workflow)[0];
const json = (text) => JSON.parse(text || "{}");

function nodesEdges(store, args) {
  const edges = list(store.edges);
  const seeds = select(list(store.task_proxies), args, only(store), { absolute: true });
  const nodes = new Set(seeds.map(({ id }) => id));
  for (let left = args.distance ?? 1; left > 0; left -= 1) {
    const size = nodes.size;
    const reached = edges.filter(({ source, target }) => nodes.has(source) || nodes.has(target));
    for (const { source, target } of reached) nodes.add(source).add(target);
    if (nodes.size === size) break;
  }
  return {
    nodes: sort(list(store.task_proxies).filter(({ id }) => nodes.has(id)), args.sort),
    edges: edges.filter(({ source, target }) => nodes.has(source) && nodes.has(target)),
  };
}

// Items of a map: outputs and triggers.
function items(map, { sort: order, sortOrder, limit, satisfied }) {
  const rank = (label) => (sortOrder?.includes(label) ? sortOrder.indexOf(label) : (sortOrder?.length ?? 0));
  let chosen = Object.values(map ?? {}).filter((one) => satisfied == null || (one.satisfied ?? false) === satisfied);
  chosen = order ? sort(chosen, order) : chosen.sort((one, other) => rank(one.label) - rank(other.label));
  return limit > 0 ? chosen.slice(0, limit) : chosen;
}

const settings = (text) => Object.entries(json(text)).map(([key, value]) => ({ key, value: String(value) }));
const proxyBeside = (store, one, name) => store.family_proxies.get(one.id.replace(/[^/]+$/, name));
const families = (args, store, found) => select(found.filter(Boolean), args, only(store));

/** The fields that are not what the field of the same name in protobuf is. */
const SPECIAL = {
  Queries: {
    workflows: (_, { ids, exids }, store) => selectWorkflow(only(store), ids, exids),
    nodesEdges: (_, args, store) => nodesEdges(store, args),
  },
  Workflow: {
    nodesEdges: (_, args, store) => nodesEdges(store, args),
    edges: (one) => one.edges,
    broadcasts: (one, { ids }) => broadcasts(json(one.broadcasts), ids),
    stateTotals: (one) => one.state_totals ?? {},
    latestStateTasks: () => ({}),
    taskProxies: (_, args, store) => select(list(store.task_proxies), args, only(store)),
  },
  TaskProxy: {
    outputs: (one, args) => items(one.outputs, args),
    externalTriggers: (one, args) => items(one.external_triggers, args),
    xtriggers: (one, args) => items(one.xtriggers, args),
    extras: () => ({}),
    parents: (one, args, store) => families(args, store, [store.family_proxies.get(one.first_parent)]),
    ancestors: (one, args, store) =>
      families(args, store, one.ancestors.map((name) => proxyBeside(store, one, name))),
  },
  FamilyProxy: {
    stateTotals: (one) => one.state_totals ?? {},
    ancestors: (one, args, store) =>
      families(args, store, one.ancestors.slice(1).map((name) => proxyBeside(store, one, name))),
  },
  Edge: {
    sourceNode: (one, _, store) => store.task_proxies.get(one.source),
    targetNode: (one, _, store) => store.task_proxies.get(one.target),
  },
  NodesEdges: { nodes: ({ nodes }) => nodes, edges: ({ edges }) => edges },
  Condition: { taskId: (one) => one.task_proxy.split("//")[1] },
  NodeMeta: { userDefined: (one) => json(one.user_defined) },
  Runtime: Object.fromEntries(["directives", "environment", "outputs"].map((name) => [name, (one) => settings(one[name])])),
};

function broadcasts(all, ids) {
  if (!ids?.length) return all;
  const fits = (point, name) =>
    ids.some((id) => {
      const [cycle, task] = String(id).split("/");
      const glob = (pattern, text) => pattern === undefined || pattern === "*" || pattern === text;
      return glob(cycle, point) && glob(task, name);
    });
  return Object.fromEntries(
    Object.entries(all).map(([point, names]) => [
      point,
      Object.fromEntries(Object.entries(names).filter(([name]) => fits(point, name))),
    ]),
  );
}

/** The value of any field; `store` is the context. */
export function resolve(source, args, store, info) {
  const parent = info.parentType.name;
  const special = SPECIAL[parent]?.[info.fieldName];
  if (special) return special(source, args, store);
  const nullable = getNullableType(info.returnType);
  const named = getNamedType(nullable);
  const kind = ELEMENTS[named.name];
  const isList = isListType(nullable);
  if (kind && parent === "Queries")
    return isList
      ? select(list(store[kind]), args, only(store), { names: NAMED.includes(named.name) })
      : (store[kind].get(args.id) ?? null);
  const value = source[snake(info.fieldName)];
  if (kind && isList) {
    const elements = (value ?? []).map((id) => store[kind].get(id)).filter(Boolean);
    return select(elements, args, only(store), { names: NAMED.includes(named.name) });
  }
  if (kind) return store[kind].get(value) ?? null;
  if (value !== undefined) return value;
  if (isList) return [];
  return isScalarType(named) ? (DEFAULTS[named.name] ?? null) : isEnumType(named) ? null : {};
}
