// A data store as deltas change it (section 9.3); knows no sockets and no clocks.
import { checksum, isIdentifier, messageOf, REPLACED, TYPES } from "./elements.js";
import { encode } from "./protobuf.js";

const LOG_RECORDS = 10;

export class Store {
  #elements; // by type: by identifier
  #times = {}; // by type: of the last delta that was applied

  constructor() {
    this.#clear();
  }

  #clear() {
    this.#elements = Object.fromEntries(Object.keys(TYPES).map((name) => [name, new Map()]));
  }

  /** When the workflow in it changed, or undefined. */
  get lastUpdated() {
    const [workflow] = this.#elements.workflow.values();
    return workflow && Object.hasOwn(workflow, "last_updated") ? workflow.last_updated : undefined;
  }

  /** Take the whole of a PbEntireWorkflow. */
  load(snapshot) {
    this.#clear();
    for (const name of Object.keys(TYPES)) {
      const value = snapshot[name];
      for (const one of name === "workflow" ? [value].filter(Boolean) : value) this.#put(name, one);
    }
  }

  /** The octets of a PbEntireWorkflow. */
  encode() {
    const { workflow, ...others } = this.#elements;
    const value = Object.fromEntries(Object.entries(others).map(([name, of]) => [name, [...of.values()]]));
    const [one] = workflow.values();
    return encode("PbEntireWorkflow", one ? { ...value, workflow: one } : value);
  }

  /** Apply the deltas of one batch, by type. Returns the types with another checksum. */
  apply(batch) {
    const applied = Object.entries(batch).filter(([name, delta]) => this.#apply(name, delta));
    return applied
      .filter(([name, delta]) => Object.hasOwn(delta, "checksum") && this.#differs(name, delta))
      .map(([name]) => name);
  }

  #differs(name, delta) {
    return Number(delta.checksum) !== checksum(name, this.#elements[name].values());
  }

  #apply(name, delta) {
    if (!delta.reloaded && delta.time < (this.#times[name] ?? -Infinity)) return false;
    this.#times[name] = delta.time;
    const elements = this.#elements[name];
    if (delta.reloaded) elements.clear();
    const list = (key) =>
      Object.hasOwn(delta, key) ? (name === "workflow" ? [delta[key]] : delta[key]) : [];
    for (const one of list("added")) this.#put(name, one);
    for (const one of list("updated")) if (elements.has(one.id)) this.#merge(name, elements.get(one.id), one);
    for (const id of list("pruned")) this.#prune(elements, id);
    return true;
  }

  #put(name, element) {
    this.#elements[name].set(element.id, unique(messageOf(name), element));
  }

  #merge(name, element, update) {
    for (const field of REPLACED[name] ?? [])
      if (filled(update[field]) || (name === "workflow" && update.states_updated)) delete element[field];
    merge(messageOf(name), element, update);
  }

  #prune(elements, id) {
    if (!elements.delete(id)) return;
    for (const [name, others] of Object.entries(this.#elements))
      for (const one of others.values()) forget(messageOf(name), one, id);
  }
}

const filled = (value) => value !== undefined && value !== null && Object.keys(value).length > 0;

function merge(message, element, update) {
  for (const field of message.fieldsArray) {
    const { name } = field;
    const value = update[name];
    if (field.map) {
      if (filled(value)) element[name] = { ...element[name], ...value };
    } else if (field.repeated) {
      if (filled(value)) element[name] = grown(name, element[name] ?? [], value);
    } else if (Object.hasOwn(update, name)) {
      if (field.resolvedType) {
        element[name] ??= field.resolvedType.create();
        merge(field.resolvedType, element[name], value);
      } else element[name] = value;
    }
  }
}

function grown(name, old, more) {
  const all = [...old, ...more];
  if (name === "log_records") return all.slice(-LOG_RECORDS);
  return isIdentifier(all[0]) ? [...new Set(all)] : all;
}

// Lists of identifiers are sets, in what is new as well.
function unique(message, element) {
  for (const field of message.fieldsArray) {
    const value = element[field.name];
    if (field.map || !value) continue;
    if (field.repeated) {
      if (isIdentifier(value[0])) element[field.name] = [...new Set(value)];
    } else if (field.resolvedType) unique(field.resolvedType, value);
  }
  return element;
}

function forget(message, element, id) {
  for (const field of message.fieldsArray) {
    const value = element[field.name];
    if (!filled(value)) continue;
    if (field.map && field.resolvedType)
      for (const one of Object.values(value)) forget(field.resolvedType, one, id);
    else if (field.repeated && typeof value[0] === "string")
      element[field.name] = value.includes(id) ? value.filter((text) => text !== id) : value;
    else if (!field.repeated && field.resolvedType) forget(field.resolvedType, value, id);
  }
}
