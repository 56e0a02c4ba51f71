// Broadcasts: settings by cycle point and namespace, of which each is an object of one path.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

// The paths through an object, [[key, …, value], …].
const paths = (value) =>
  isObject(value)
    ? Object.entries(value).flatMap(([key, inner]) => paths(inner).map((path) => [key, ...path]))
    : [[value]];
const nested = (path) => path.slice(0, -1).reduceRight((value, key) => ({ [key]: value }), path.at(-1));

export class Broadcasts {
  #all = new Map(); // "point\nnamespace\nkey\n…": [point, namespace, ...path]

  /** What is in force, as {point: {namespace: setting}}. */
  get value() {
    const value = {};
    for (const path of this.#all.values()) {
      let place = value;
      for (const key of path.slice(0, -2)) {
        if (!isObject(place[key])) place[key] = {};
        place = place[key];
      }
      place[path.at(-2)] = path.at(-1);
    }
    return value;
  }

  /** Set a setting; returns what changed, as [point, namespace, setting]. */
  set(point, namespace, setting) {
    return paths(setting).map((path) => {
      this.#all.set([point, namespace, ...path.slice(0, -1)].join("\n"), [point, namespace, ...path]);
      return [point, namespace, nested(path)];
    });
  }

  /** Take back what a function of (point, namespace, path) selects; returns what changed. */
  clear(selects) {
    const changed = [];
    for (const [key, [point, namespace, ...path]] of this.#all)
      if (selects(point, namespace, path)) {
        this.#all.delete(key);
        changed.push([point, namespace, nested(path)]);
      }
    return changed;
  }

  /** A function for `clear` that selects those of a setting, whatever their value if it is null. */
  static of(setting) {
    const wanted = paths(setting);
    return (path) =>
      wanted.some(
        (one) =>
          one.slice(0, -1).every((key, at) => key === path[at]) &&
          one.length === path.length &&
          (one.at(-1) === null || one.at(-1) === path.at(-1)),
      );
  }
}
