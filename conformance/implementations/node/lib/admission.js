// Who may connect: the ZAP handler that libzmq asks at each handshake (section 3.2).
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import * as zmq from "zeromq";
import { readText } from "./files.js";
import { parse } from "./keys.js";

export const DOMAIN = "wri";
const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/** Octets, a multiple of four, in Z85. */
export function z85(octets) {
  let text = "";
  for (let at = 0; at < octets.length; at += 4) {
    const number = octets.readUInt32BE(at);
    for (const power of [52200625, 614125, 7225, 85, 1]) text += ALPHABET[Math.floor(number / power) % 85];
  }
  return text;
}

async function authorised(directory) {
  const keys = new Set();
  for (const name of await readdir(directory)) {
    try {
      keys.add(parse((await readText(join(directory, name))) ?? "")["public-key"]);
    } catch {
      // No key, and so nobody's.
    }
  }
  keys.delete(undefined);
  return keys;
}

/** Admit those whose public keys are in a directory, now and later, until it is closed. */
export async function admit(directory) {
  const socket = new zmq.Router({ linger: 0 });
  await socket.bind("inproc://zeromq.zap.01");
  answer(socket, directory);
  return socket;
}

async function answer(socket, directory) {
  for await (const [peer, empty, version, id, domain, , , mechanism, key] of socket) {
    let admitted = false;
    try {
      admitted =
        version.toString() === "1.0" &&
        domain.toString() === DOMAIN &&
        mechanism.toString() === "CURVE" &&
        (await authorised(directory)).has(z85(key));
    } catch (error) {
      process.stderr.write(`nobody is admitted: ${error.message}\n`);
    }
    const status = admitted ? ["200", "OK", "wri"] : ["400", "key not authorised", ""];
    await socket.send([peer, empty, "1.0", id, ...status, ""]);
  }
}
