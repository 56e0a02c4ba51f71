// A client: every request has a socket of its own, so that no reply can be taken for another.
import { hostname } from "node:os";
import * as zmq from "zeromq";
import { address } from "./contact.js";
import { serviceDirectory } from "./files.js";
import { clientOptions } from "./keys.js";
import { ClientError, ClientTimeout } from "./outcomes.js";
import { outcome, request } from "./replies.js";
import { find, verify } from "./whereabouts.js";

const FIELD = "CYLC_WORKFLOW_PORT";
const TIMEOUT = 5;

export class Client {
  /** A client of a workflow; `timeout` is in seconds, for each request that has none of its own. */
  constructor(workflow, { timeout = TIMEOUT, prog = "wri-node" } = {}) {
    this.workflow = workflow;
    this.timeout = timeout;
    this.service = serviceDirectory(workflow);
    this.meta = { prog, host: hostname(), comms_method: "zmq" };
    this.waiting = new Set();
  }

  /** Make sure that a request could be sent. Throws WorkflowStopped, ClientError. */
  async check() {
    address(await find(this.service, this.workflow), FIELD);
    await clientOptions(this.service);
  }

  /**
   * Ask, and return the data, or the octets of a protobuf message.
   * Throws ServerError, ClientError, ClientTimeout, WorkflowStopped.
   */
  async request(command, args, timeout = this.timeout) {
    const to = address(await find(this.service, this.workflow), FIELD);
    const keys = await clientOptions(this.service);
    const socket = new zmq.Request({ ...keys, linger: 0 });
    this.waiting.add(socket);
    try {
      const reply = await this.#exchange(socket, to, request(command, args, this.meta), timeout);
      if (reply.frames) return outcome(command, reply.frames);
      await verify(this.service, this.workflow, to, FIELD);
      if (reply.refused) throw new ClientError(`${to} refused the key of this client`);
      throw new ClientTimeout(`no reply from ${to} in ${timeout} s`);
    } finally {
      this.waiting.delete(socket);
      socket.close();
    }
  }

  /** Give up whatever is waited for. */
  close() {
    for (const socket of this.waiting) socket.close();
  }

  #exchange(socket, to, body, timeout) {
    return new Promise((resolve, reject) => {
      let refused = false;
      const timer = setTimeout(() => resolve({ refused }), timeout * 1000);
      const settle = (settled) => (value) => {
        clearTimeout(timer);
        settled(value);
      };
      // Only a refusal of the key is final: after others the socket tries again.
      socket.events.on("handshake:error:auth", () => settle(resolve)({ refused: true }));
      for (const kind of ["other", "protocol"])
        socket.events.on(`handshake:error:${kind}`, () => (refused = true));
      socket.events.on("handshake", () => (refused = false));
      const failed = (error) => settle(reject)(new ClientError(`cannot ask ${to}: ${error.message}`));
      try {
        socket.connect(to);
      } catch (error) {
        failed(error);
        return;
      }
      socket
        .send(body)
        .then(() => socket.receive())
        .then((frames) => settle(resolve)({ frames }), failed);
    });
  }
}
