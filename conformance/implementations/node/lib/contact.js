// The contact file (chapter 2).
import { join } from "node:path";
import { readText } from "./files.js";
import { ClientError } from "./outcomes.js";

export const PREFIX = "CYLC_WORKFLOW_";

/** The text of a contact file with these fields. */
export const format = (fields) =>
  Object.entries(fields)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");

/** The fields in the text of a contact file, as a Map. Throws if a line has no equals sign. */
export function parse(text) {
  const fields = new Map();
  for (const line of text.split("\n")) {
    if (!line.trim()) continue;
    const at = line.indexOf("=");
    if (at < 0) throw new Error(`there is no equals sign in ${JSON.stringify(line.slice(0, 80))}`);
    fields.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  return fields;
}

/**
 * The contact of a workflow as {path, fields, host}, or undefined if there is no contact file.
 * Throws ClientError, which names the file, if it makes no sense.
 */
export async function read(service) {
  const path = join(service, "contact");
  try {
    const text = await readText(path);
    if (text === undefined) return undefined;
    const fields = parse(text);
    const host = fields.get("CYLC_WORKFLOW_HOST");
    if (!host) throw new Error("it does not have CYLC_WORKFLOW_HOST");
    if (/[\s/]/.test(host)) throw new Error(`${JSON.stringify(host)} is no host`);
    return { path, fields, host };
  } catch (error) {
    throw new ClientError(`the contact file ${path} cannot be used: ${error.message}`);
  }
}

/** The address of a ZeroMQ socket for the port in a field of a contact. Throws ClientError. */
export function address(contact, field) {
  const port = contact.fields.get(field);
  if (port === undefined)
    throw new ClientError(`the contact file ${contact.path} cannot be used: it does not have ${field}`);
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535)
    throw new ClientError(
      `the contact file ${contact.path} cannot be used: ${JSON.stringify(port)} is no port`,
    );
  const host = contact.host.includes(":") ? `[${contact.host}]` : contact.host;
  return `tcp://${host}:${Number(port)}`;
}
