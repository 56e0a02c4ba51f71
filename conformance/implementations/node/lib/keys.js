// Key files: CURVE certificates in ZPL (section 3.1).
import { join } from "node:path";
import { readText } from "./files.js";
import { ClientError } from "./outcomes.js";

const PROPERTY = /^\s+(public-key|secret-key)\s*=\s*(["'])(.*?)\2\s*(#.*)?$/;
const Z85 = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;

/** The text of a key file; the secret key may be left out. */
export const format = (publicKey, secretKey) =>
  [
    "#   ZeroMQ CURVE certificate",
    "metadata",
    "curve",
    `    public-key = "${publicKey}"`,
    ...(secretKey === undefined ? [] : [`    secret-key = "${secretKey}"`]),
    "",
  ].join("\n");

/** The keys in the text of a key file, as {"public-key", "secret-key"}; those that it has. */
export function parse(text) {
  const keys = {};
  let section = "";
  for (const line of text.split("\n")) {
    if (/^[^\s#]/.test(line)) section = line.trim();
    const found = section === "curve" && PROPERTY.exec(line);
    if (found && Z85.test(found[3])) keys[found[1]] = found[3];
  }
  return keys;
}

async function load(path, names) {
  let keys;
  try {
    const text = await readText(path);
    if (text === undefined) throw new Error("it does not exist");
    keys = parse(text);
    for (const name of names) if (!keys[name]) throw new Error(`it has no ${name} of 40 characters`);
  } catch (error) {
    throw new ClientError(`the key file ${path} cannot be read: ${error.message}`);
  }
  return keys;
}

/** The socket options with which a client connects. Throws ClientError, which names the file. */
export async function clientOptions(service) {
  const server = await load(join(service, "server.key"), ["public-key"]);
  const client = await load(join(service, "client.key_secret"), ["public-key", "secret-key"]);
  return {
    curveServerKey: server["public-key"],
    curvePublicKey: client["public-key"],
    curveSecretKey: client["secret-key"],
  };
}
