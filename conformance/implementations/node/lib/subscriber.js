// A subscriber: takes publications from the start, hands them on one by one.
import * as zmq from "zeromq";
import { address } from "./contact.js";
import { serviceDirectory } from "./files.js";
import { clientOptions } from "./keys.js";
import { ClientError, ClientTimeout, WorkflowStopped } from "./outcomes.js";
import { find, verify } from "./whereabouts.js";

const FIELD = "CYLC_WORKFLOW_PUBLISH_PORT";
const SHUTDOWN = "shutdown";
// How often a silent server is looked for, and how long a `shutdown` under way may take; in ms.
const LOOK = 1000;
const GRACE = 300;

export class Subscriber {
  #queue = [];
  #wake = () => {};
  #ended; // the error that ends it, reported when the queue is empty

  /** Subscribe to topics, named in full. Throws WorkflowStopped, ClientError. */
  static async open(workflow, topics) {
    const service = serviceDirectory(workflow);
    const to = address(await find(service, workflow), FIELD);
    const keys = await clientOptions(service);
    return new Subscriber(workflow, service, to, keys, topics);
  }

  constructor(workflow, service, to, keys, topics) {
    Object.assign(this, { workflow, service, to, topics: new Set(topics) });
    this.connections = 0; // handshakes so far
    this.connected = false;
    this.refused = false;
    this.socket = new zmq.Subscriber({ ...keys, linger: 0, receiveHighWaterMark: 0 });
    this.#watch(this.socket.events);
    this.socket.subscribe(...topics, SHUTDOWN);
    try {
      this.socket.connect(to);
    } catch (error) {
      this.socket.close();
      throw new ClientError(`cannot connect to ${to}: ${error.message}`);
    }
    this.#take();
  }

  #watch(events) {
    events.on("handshake", () => {
      this.connections += 1;
      this.connected = true;
      this.refused = false;
      this.#wake();
    });
    events.on("disconnect", () => (this.connected = false));
    events.on("handshake:error:auth", () =>
      this.#end(new ClientError(`${this.to} refused the key of this subscriber`)),
    );
    for (const kind of ["other", "protocol"])
      events.on(`handshake:error:${kind}`, () => (this.refused = true));
  }

  async #take() {
    try {
      for await (const frames of this.socket) {
        if (frames.length !== 2) continue;
        const topic = frames[0].toString("utf8");
        if (this.topics.has(topic)) this.#queue.push({ topic, payload: frames[1] });
        else if (topic === SHUTDOWN) this.#end(new WorkflowStopped(frames[1].toString("utf8")));
        this.#wake();
      }
    } catch (error) {
      this.#end(new ClientError(`cannot receive from ${this.to}: ${error.message}`));
    }
  }

  #end(error) {
    this.#ended ??= error;
    this.#wake();
  }

  /** What came and was not handed on yet, and forget it. */
  drain() {
    return this.#queue.splice(0);
  }

  /** Throw what ended the subscription, if something did. */
  verify() {
    if (this.#ended) throw this.#ended;
  }

  /** Wait for something to happen, for so many milliseconds. */
  async pause(milliseconds) {
    if (this.#queue.length || this.#ended) return;
    let timer;
    await new Promise((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, Math.max(0, milliseconds));
    });
    clearTimeout(timer);
  }

  /**
   * The next publication, {topic, payload}; `timeout` is in seconds.
   * Throws ClientTimeout, WorkflowStopped, ClientError.
   */
  async receive(timeout) {
    const deadline = Date.now() + timeout * 1000;
    for (let look = Date.now() + LOOK; ; ) {
      if (this.#queue.length) return this.#queue.shift();
      this.verify();
      const now = Date.now();
      if (now >= deadline || now >= look) {
        const gone = await this.#missing();
        if (this.#queue.length || this.#ended) continue;
        if (gone) throw gone;
        if (now >= deadline) this.#giveUp(timeout);
        look = now + LOOK;
      }
      await this.pause(Math.min(deadline, look) - Date.now());
    }
  }

  #giveUp(timeout) {
    if (this.refused && !this.connected)
      throw new ClientError(`${this.to} refused this subscriber`);
    throw new ClientTimeout(`nothing was published in ${timeout} s`);
  }

  async #missing() {
    try {
      await this.look();
      return undefined;
    } catch (error) {
      await this.pause(GRACE);
      return error;
    }
  }

  /** Look for the server. Throws WorkflowStopped, ClientError if it is not where it was. */
  async look() {
    await verify(this.service, this.workflow, this.to, FIELD);
  }

  close() {
    this.socket.close();
  }
}
