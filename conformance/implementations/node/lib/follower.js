// A subscriber that keeps a data store, and makes it current when somebody looks at it.
import { Client } from "./client.js";
import { ClientError, ClientTimeout } from "./outcomes.js";
import { decode } from "./protobuf.js";
import { Store } from "./store.js";
import { Subscriber } from "./subscriber.js";
import { address } from "./contact.js";
import { find } from "./whereabouts.js";

const TOPIC = "all";
// What a subscription needs, after the handshake, to be in effect; in ms.
const SETTLE = 100;
// How often a server that is away is looked for; in ms.
const LOOK = 1000;

export class Follower {
  #store = new Store();
  #connections = 0; // of the subscriber, when the snapshot was asked for
  #current = false;

  /** Follow a workflow. Throws WorkflowStopped, ClientError. */
  static async open(workflow) {
    address(await find(new Client(workflow).service, workflow), "CYLC_WORKFLOW_PORT");
    return new Follower(workflow, await Subscriber.open(workflow, [TOPIC]));
  }

  constructor(workflow, subscriber) {
    this.client = new Client(workflow);
    this.subscriber = subscriber;
  }

  /**
   * The octets of a PbEntireWorkflow, as soon as it is current; `timeout` is in seconds.
   * Throws ServerError, ClientError, ClientTimeout, WorkflowStopped.
   */
  async look(timeout) {
    const deadline = Date.now() + timeout * 1000;
    const left = () => {
      const seconds = (deadline - Date.now()) / 1000;
      if (seconds <= 0) throw new ClientTimeout(`the data store was not current in ${timeout} s`);
      return seconds;
    };
    this.#follow();
    while (!this.#isCurrent()) await this.#renew(left);
    this.subscriber.verify();
    return this.#store.encode();
  }

  #isCurrent() {
    const { connected, connections } = this.subscriber;
    return this.#current && connected && connections === this.#connections;
  }

  /** Take over what was published; what comes to a store that is not current is dropped. */
  #follow() {
    for (const { payload } of this.subscriber.drain()) if (this.#isCurrent()) this.#take(payload);
  }

  #take(payload, contained = -Infinity) {
    try {
      const batch = present(decode("AllDeltas", payload));
      if (Object.values(batch).some(({ time }) => time !== null && time < contained)) return;
      if (this.#store.apply(batch).length) this.#current = false;
    } catch {
      this.#current = false;
    }
  }

  async #renew(left) {
    const { subscriber } = this;
    while (!subscriber.connected) {
      subscriber.drain();
      subscriber.verify();
      await subscriber.pause(Math.min(LOOK, left() * 1000));
      if (!subscriber.connected) await subscriber.look();
    }
    await new Promise((resolve) => setTimeout(resolve, SETTLE));
    subscriber.drain();
    const connections = subscriber.connections;
    const octets = await this.client.request("pb_entire_workflow", {}, left());
    this.#store.load(snapshot(octets));
    [this.#current, this.#connections] = [true, connections];
    for (const { payload } of subscriber.drain()) this.#take(payload, this.#store.lastUpdated);
  }

  close() {
    this.subscriber.close();
    this.client.close();
  }
}

function snapshot(octets) {
  try {
    return decode("PbEntireWorkflow", octets);
  } catch (error) {
    throw new ClientError(`the reply is no snapshot: ${error.message}`);
  }
}

const present = (all) => Object.fromEntries(Object.entries(all).filter(([, delta]) => delta));
