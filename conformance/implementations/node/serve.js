// A server and publisher with a simulated scheduler: node peer.js serve [--paused] WORKFLOW
import { parseArgs } from "node:util";
import * as zmq from "zeromq";
import { admit, DOMAIN } from "./lib/admission.js";
import { dataEndpoints } from "./lib/data.js";
import { readDefinition } from "./lib/definition.js";
import { differences } from "./lib/differences.js";
import { Dispatcher } from "./lib/dispatch.js";
import { TYPES } from "./lib/elements.js";
import { graphqlEndpoint } from "./lib/graphql.js";
import { encode } from "./lib/protobuf.js";
import { AlreadyRunning, Run, VERSION } from "./lib/run.js";
import { Scheduler } from "./lib/scheduler.js";
import { View } from "./lib/view.js";

const HOST = "127.0.0.1";
const TURN = 100; // ms between turns of the scheduler
const LINGER = 1000; // ms that the last publications may take to leave
const LARGEST = 64 * 1024 * 1024; // octets of a message; who sends more is cut off
const YIELD = 20; // ms after which requests let timers and signals through

class Server {
  #store; // undefined before the first turn
  #time = 0;
  #told = true; // whether commands came that the data store does not show yet
  #sending = Promise.resolve(); // the publications that were made

  async start(workflow, { paused }) {
    this.run = new Run(workflow);
    const options = await this.run.prepare();
    this.admission = await admit(this.run.admitted);
    const secured = { ...options, zapDomain: DOMAIN, maxMessageSize: LARGEST, linger: LINGER };
    this.requests = new zmq.Reply(secured);
    this.publications = new zmq.Publisher(secured);
    const ports = [];
    for (const socket of [this.requests, this.publications]) {
      await socket.bind(`tcp://${HOST}:*`);
      ports.push(new URL(socket.lastEndpoint.replace("tcp:", "http:")).port);
    }
    this.scheduler = new Scheduler(await readDefinition(this.run.directory), { paused });
    const current = () => ({ store: this.#store, time: this.#time });
    const tell = (act) => {
      this.#told = true;
      return act(this.scheduler, Date.now() / 1000);
    };
    this.dispatcher = new Dispatcher(VERSION, {
      ...dataEndpoints(current),
      ...graphqlEndpoint(VERSION, current, tell),
      ping_workflow: { description: "Answers true.", call: () => true },
    });
    const contact = await this.run.announce(HOST, ...ports);
    this.view = new View(this.scheduler, contact, {
      id: `~${this.run.owner}/${workflow}`,
      runDirectory: this.run.directory,
    });
    this.#turn();
    this.timer = setInterval(() => this.#turn(), TURN);
    this.#serve();
  }

  async #serve() {
    let since = Date.now();
    while (!this.requests.closed) {
      try {
        await this.requests.send(this.dispatcher.answer(await this.requests.receive()));
      } catch (error) {
        // A message that is none, or a peer that is gone.
        if (!this.requests.closed) process.stderr.write(`a request was dropped: ${error.message}\n`);
      }
      if (Date.now() - since > YIELD) {
        await new Promise(setImmediate);
        since = Date.now();
      }
    }
  }

  #turn() {
    const now = Math.max(Date.now(), this.#time * 1000 + 1) / 1000;
    const [changed, told] = [this.scheduler.step(now), this.#told];
    this.#told = false;
    if (changed || told) this.#publish(now);
    if (this.scheduler.reason) this.stop(this.scheduler.reason);
  }

  #publish(time) {
    const before = this.scheduler.reloaded ? undefined : this.#store;
    this.scheduler.reloaded = false;
    const { store, batch } = differences(before, this.view.elements(), time);
    [this.#store, this.#time] = [store, time];
    for (const [name, delta] of Object.entries(batch)) this.#send(name, encode(TYPES[name].delta, delta));
    if (Object.keys(batch).length) this.#send("all", encode("AllDeltas", batch));
  }

  #send(topic, payload) {
    this.#sending = this.#sending.then(() => this.publications.send([topic, payload]));
  }

  /** Stop cleanly, once, for a reason that is published. */
  async stop(reason) {
    if (!this.timer || this.stopped) return;
    this.stopped = true;
    clearInterval(this.timer);
    this.scheduler.reason ??= reason;
    this.#publish(Math.max(Date.now(), this.#time * 1000 + 1) / 1000);
    this.#send("shutdown", reason);
    await this.#sending;
    await this.run.remove();
    for (const socket of [this.requests, this.publications, this.admission]) socket.close();
    setTimeout(() => process.exit(0), 100);
  }
}

const { values, positionals } = parseArgs({
  options: { paused: { type: "boolean", default: false } },
  allowPositionals: true,
});
if (positionals.length !== 1) {
  process.stderr.write("usage: node peer.js serve [--paused] WORKFLOW\n");
  process.exit(2);
}
const server = new Server();
try {
  const started = server.start(positionals[0], values);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"])
    process.on(signal, () => started.then(() => server.stop("REQUEST(NOW)")));
  await started;
} catch (error) {
  if (!(error instanceof AlreadyRunning)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
