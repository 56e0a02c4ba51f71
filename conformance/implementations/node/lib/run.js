// The files of a running server, from its start to its stop (chapters 2, 3 and 12).
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import * as zmq from "zeromq";
import * as contacts from "./contact.js";
import { readText, serviceDirectory, writeWhole } from "./files.js";
import * as keys from "./keys.js";
import { commandLine, isDead } from "./processes.js";

export const VERSION = "8.5.4";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const KEY_FILES = ["server.key", "server.key_secret", "client.key_secret", "client_public_keys"];

/** Another server runs in the run directory, or may do so. */
export class AlreadyRunning extends Error {}

// The fields of a contact file that was left, or none if it cannot be read.
async function leftContact(path) {
  try {
    return contacts.parse((await readText(path)) ?? "");
  } catch {
    return new Map();
  }
}

export class Run {
  constructor(workflow) {
    this.workflow = workflow;
    this.directory = join(homedir(), "cylc-run", workflow);
    this.service = serviceDirectory(workflow);
    this.owner = userInfo().username;
  }

  #path = (name) => join(this.service, name);

  /** The directory with the keys of those who are admitted. */
  get admitted() {
    return this.#path("client_public_keys");
  }

  /** Make the key files anew. Returns the socket options of the server. Throws AlreadyRunning. */
  async prepare() {
    await mkdir(this.service, { recursive: true, mode: 0o700 });
    const left = await leftContact(this.#path("contact"));
    await this.#verify(left);
    this.uuid = await this.#identity(left);
    await rm(this.#path("contact"), { recursive: true, force: true });
    await this.#removeKeys();
    const [server, client] = [zmq.curveKeyPair(), zmq.curveKeyPair()];
    const pair = ({ publicKey, secretKey }) => keys.format(publicKey, secretKey);
    await mkdir(this.admitted, { mode: 0o700 });
    await writeWhole(join(this.admitted, "client.key"), keys.format(client.publicKey), 0o644);
    await writeWhole(this.#path("server.key"), keys.format(server.publicKey), 0o644);
    await writeWhole(this.#path("server.key_secret"), pair(server), 0o600);
    await writeWhole(this.#path("client.key_secret"), pair(client), 0o600);
    return { curveServer: true, curvePublicKey: server.publicKey, curveSecretKey: server.secretKey };
  }

  /** The contact file, complete. Returns its fields. */
  async announce(host, port, publishPort) {
    const fields = {
      CYLC_API: "5",
      CYLC_VERSION: VERSION,
      CYLC_WORKFLOW_COMMAND: await commandLine(process.pid),
      CYLC_WORKFLOW_HOST: host,
      CYLC_WORKFLOW_ID: this.workflow,
      CYLC_WORKFLOW_OWNER: this.owner,
      CYLC_WORKFLOW_PID: String(process.pid),
      CYLC_WORKFLOW_PORT: String(port),
      CYLC_WORKFLOW_PUBLISH_PORT: String(publishPort),
      CYLC_WORKFLOW_RUN_DIR_ON_WORKFLOW_HOST: this.directory,
      CYLC_WORKFLOW_UUID: this.uuid,
    };
    await writeWhole(this.#path("contact"), contacts.format(fields), 0o644);
    return fields;
  }

  /** Remove the contact file, then the key files. */
  async remove() {
    await rm(this.#path("contact"), { force: true });
    await this.#removeKeys();
  }

  async #removeKeys() {
    for (const name of KEY_FILES) await rm(this.#path(name), { recursive: true, force: true });
  }

  async #verify(fields) {
    const [pid, host] = ["CYLC_WORKFLOW_PID", "CYLC_WORKFLOW_HOST"].map((key) => fields.get(key));
    // What was cut off names nobody; in a container a new process can have the id of an old one.
    if (!pid || !host || !fields.has("CYLC_WORKFLOW_COMMAND") || Number(pid) === process.pid) return;
    if (!/^[0-9]+$/.test(pid) || (await isDead({ fields, host }))) return;
    throw new AlreadyRunning(`${this.workflow} is running already: process ${pid} on ${host}`);
  }

  async #identity(left) {
    const path = this.#path("uuid");
    let kept;
    try {
      kept = (await readText(path))?.trim();
    } catch {
      kept = undefined;
    }
    const uuid = [kept, left.get("CYLC_WORKFLOW_UUID")].find((text) => UUID.test(text)) ?? randomUUID();
    if (uuid !== kept) await writeWhole(path, `${uuid}\n`, 0o644);
    return uuid;
  }
}
