// The types of the data store (section 9.1), and what is common to those who keep one.
import { type } from "./protobuf.js";

/** By type: its message and its delta. */
export const TYPES = {
  edges: { message: "PbEdge", delta: "EDeltas" },
  families: { message: "PbFamily", delta: "FDeltas" },
  family_proxies: { message: "PbFamilyProxy", delta: "FPDeltas" },
  jobs: { message: "PbJob", delta: "JDeltas" },
  tasks: { message: "PbTask", delta: "TDeltas" },
  task_proxies: { message: "PbTaskProxy", delta: "TPDeltas" },
  workflow: { message: "PbWorkflow", delta: "WDeltas" },
};

/** By type: the fields that an update replaces as a whole (section 9.3). */
export const REPLACED = {
  workflow: ["latest_state_tasks", "state_totals", "states"],
  family_proxies: ["state_totals", "states"],
  jobs: ["messages"],
  task_proxies: ["prerequisites"],
};

/** The reflection of the elements of a type. */
export const messageOf = (name) => type(TYPES[name].message);

/** Whether a text in a list is the identifier of an element. */
export const isIdentifier = (text) => typeof text === "string" && text.startsWith("~");

/** The checksum of the elements of a type: Adler-32 of the sorted stamps, of edges the ids. */
export function checksum(name, elements) {
  const key = name === "edges" ? "id" : "stamp";
  const octets = Array.from(elements, (one) => Buffer.from(one[key] ?? ""));
  return adler32(Buffer.concat(octets.sort(Buffer.compare)));
}

function adler32(octets) {
  let [a, b] = [1, 0];
  for (const octet of octets) {
    a = (a + octet) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}
