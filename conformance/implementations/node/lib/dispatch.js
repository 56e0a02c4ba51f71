// From the frames of a request to the body of a response; knows no sockets.

/** Bodies that are larger are not looked at. In octets. */
export const LIMIT = 4 * 1024 * 1024;
const QUOTED = 200; // characters of what a message quotes

/** A request that is answered with an error. */
export class Refusal extends Error {}

export const quote = (text) => JSON.stringify(text.slice(0, QUOTED).toWellFormed());
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function parse(frames) {
  if (frames.length !== 1) throw new Refusal(`the request has ${frames.length} frames instead of one`);
  if (frames[0].length > LIMIT) throw new Refusal(`the request is larger than ${LIMIT} octets`);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(frames[0]);
  } catch {
    throw new Refusal("the request is not UTF-8");
  }
  let request;
  try {
    request = JSON.parse(text);
  } catch {
    throw new Refusal("the request is not JSON");
  }
  if (!isObject(request)) throw new Refusal("the request is not an object");
  for (const member of ["command", "args"])
    if (!Object.hasOwn(request, member)) throw new Refusal(`the request has no member '${member}'`);
  const { command, args, meta = null } = request;
  if (typeof command !== "string") throw new Refusal("'command' is not a string");
  if (!isObject(args)) throw new Refusal("'args' is not an object");
  if (meta !== null && !isObject(meta)) throw new Refusal("'meta' is not an object");
  return { command, args };
}

export class Dispatcher {
  /** `endpoints` maps names to {description, call(args)}; call returns JSON, or a Buffer as it is. */
  constructor(version, endpoints) {
    this.version = version;
    this.endpoints = new Map(Object.entries(endpoints));
    this.endpoints.set("api", {
      description: "Lists the endpoints, or describes the one that the argument endpoint names.",
      call: (args) => this.#api(args),
    });
  }

  /** The body of the response to a request. Never throws. */
  answer(frames) {
    try {
      const { command, args } = parse(frames);
      const data = this.#endpoint(command).call(args);
      return Buffer.isBuffer(data) ? data : this.#encode({ data });
    } catch (error) {
      const known = error instanceof Refusal;
      if (!known) process.stderr.write(`${error.stack}\n`);
      return this.#encode({ error: { message: known ? error.message : "the request failed" } });
    }
  }

  #encode(members) {
    return Buffer.from(JSON.stringify({ ...members, cylc_version: this.version }));
  }

  #endpoint(name) {
    const endpoint = this.endpoints.get(name);
    if (!endpoint) throw new Refusal(`there is no endpoint ${quote(name)}`);
    return endpoint;
  }

  #api(args) {
    const endpoint = Object.hasOwn(args, "endpoint") ? args.endpoint : null;
    if (endpoint === null || endpoint === "") return [...this.endpoints.keys()].sort();
    if (typeof endpoint !== "string") throw new Refusal("'endpoint' is not a string");
    return this.#endpoint(endpoint).description;
  }
}
