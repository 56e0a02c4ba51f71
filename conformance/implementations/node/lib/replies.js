// What a client makes of a reply; knows no sockets.
import { ClientError, ServerError } from "./outcomes.js";

const PROTOBUF = new Set(["pb_entire_workflow", "pb_data_elements"]);
const OPENING_BRACE = 0x7b;

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const start = (octets) => JSON.stringify(octets.subarray(0, 60).toString("latin1"));

/** The body of a request. */
export const request = (command, args, meta) => JSON.stringify({ command, args, meta });

function decode(octets) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets));
  } catch (error) {
    throw new ClientError(`the reply is not JSON (${error.message}): ${start(octets)}`);
  }
}

function complaint(error) {
  if (typeof error === "string") return error;
  return isObject(error) && typeof error.message === "string" ? error.message : JSON.stringify(error);
}

/** The data of a response, or the octets of a protobuf message. Throws ServerError, ClientError. */
export function outcome(command, frames) {
  if (frames.length !== 1)
    throw new ClientError(`the reply has ${frames.length} frames instead of one`);
  const [octets] = frames;
  const protobuf = PROTOBUF.has(command);
  if (protobuf && octets[0] !== OPENING_BRACE) return octets;
  const response = decode(octets);
  if (!isObject(response)) throw new ClientError(`the reply is not an object: ${start(octets)}`);
  const [data, error] = [Object.hasOwn(response, "data"), Object.hasOwn(response, "error")];
  if (data && error) throw new ClientError(`the reply has both data and an error: ${start(octets)}`);
  if (error) {
    if (isObject(response.error) && typeof response.error.message === "string")
      throw new ServerError(response.error.message);
    throw new ClientError(`the reply has an error without a message: ${start(octets)}`);
  }
  // Schedulers before 8.4.1, see 14.1.
  const old = !Object.hasOwn(response, "cylc_version");
  if (!data) {
    if (old && Object.hasOwn(response, "errors"))
      throw new ServerError([response.errors].flat().map(complaint).join("; "));
    throw new ClientError(`the reply has neither data nor an error: ${start(octets)}`);
  }
  if (protobuf) throw new ClientError(`the reply is not a protobuf message: ${start(octets)}`);
  const failed = command === "graphql" && old && Array.isArray(response.data);
  if (failed && response.data.some((one) => isObject(one) && Object.hasOwn(one, "error")))
    throw new ServerError(response.data.map((one) => complaint(one.error)).join("; "));
  return response.data;
}
