// From what a store was to what it is: the deltas of a batch (section 9.2).
import { isDeepStrictEqual } from "node:util";
import { checksum, isIdentifier, messageOf, REPLACED } from "./elements.js";

/**
 * Compare elements with those that were stamped before, both by type and identifier; `was` is
 * undefined at the start. Returns {store, batch}: the elements, stamped, and the deltas by type.
 */
export function differences(was, elements, time) {
  const pruned = new Set(
    Object.entries(was ?? {}).flatMap(([name, old]) => [...old.keys()].filter((id) => !elements[name].has(id))),
  );
  const [store, batch] = [{}, {}];
  for (const [name, now] of Object.entries(elements)) {
    if (name === "workflow") continue;
    const old = was?.[name] ?? new Map();
    const delta = { time, added: [], updated: [], pruned: [...old.keys()].filter((id) => !now.has(id)) };
    store[name] = new Map([...now].map(([id, one]) => [id, compare(name, old.get(id), one, time, delta, pruned)]));
    if (!was) delta.reloaded = true;
    if (!was || delta.added.length || delta.updated.length || delta.pruned.length) {
      delta.checksum = checksum(name, store[name].values());
      batch[name] = delta;
    }
  }
  const [workflow] = elements.workflow.values();
  const before = was && [...was.workflow.values()][0];
  const delta = { time, added: [], updated: [] };
  let one = compare("workflow", before, workflow, time, delta, pruned);
  if (delta.added.length || delta.updated.length || Object.keys(batch).length) {
    if (!delta.added.length && !delta.updated.length) {
      one = { ...one, stamp: stamp(one, time) };
      delta.updated.push({ id: one.id, stamp: one.stamp });
    }
    for (const changed of [one, ...delta.added, ...delta.updated]) changed.last_updated = time;
    batch.workflow = { time, ...(was ? {} : { reloaded: true }) };
    for (const list of ["added", "updated"]) if (delta[list].length) [batch.workflow[list]] = delta[list];
  }
  store.workflow = new Map([[one.id, one]]);
  return { store, batch };
}

const stamp = ({ id }, time) => `${id}@${time}`;

function compare(name, old, now, time, delta, pruned) {
  const { stamp: before, last_updated, ...former } = old ?? {};
  if (old && isDeepStrictEqual(former, now)) return old;
  const one = name === "edges" ? { ...now } : { ...now, stamp: stamp(now, time) };
  if (name === "workflow") one.last_updated = time;
  const update = old && change(messageOf(name), former, now, REPLACED[name] ?? [], pruned);
  if (!update) delta.added.push({ ...one });
  else if (Object.keys(update).length || name !== "edges") {
    if (name === "workflow") renew(update, now);
    delta.updated.push({ ...update, id: one.id, ...(name === "edges" ? {} : { stamp: one.stamp }) });
  }
  return one;
}

// With states_updated, what is absent of these is cleared.
function renew(update, now) {
  if (REPLACED.workflow.some((field) => field in update))
    for (const field of ["state_totals", "states", "states_updated"]) update[field] = now[field];
}

// The fields that make `now` of `old`; undefined if no update can.
function change(message, old, now, replaced, pruned) {
  const update = {};
  for (const field of message.fieldsArray) {
    const { name } = field;
    const [from, to] = [old[name], now[name]];
    if (isDeepStrictEqual(from, to)) continue;
    if (to === undefined) return undefined;
    if (from === undefined || (replaced.includes(name) && Object.keys(to).length)) update[name] = to;
    else if (replaced.includes(name) && name === "states" && message.name === "PbWorkflow") update[name] = to;
    else if (field.map) {
      if (Object.keys(from).some((key) => !(key in to))) return undefined;
      update[name] = Object.fromEntries(Object.entries(to).filter(([key, one]) => !isDeepStrictEqual(from[key], one)));
    } else if (field.repeated) {
      if (!isIdentifier(from[0] ?? to[0]) || from.some((id) => !to.includes(id) && !pruned.has(id))) return undefined;
      const more = to.filter((id) => !from.includes(id));
      if (more.length) update[name] = more;
    } else if (field.resolvedType) {
      const inner = change(field.resolvedType, from, to, [], pruned);
      if (!inner) return undefined;
      if (Object.keys(inner).length) update[name] = inner;
    } else update[name] = to;
  }
  return update;
}
