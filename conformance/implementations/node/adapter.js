// The adapter of the client and the subscriber: see conformance/ADAPTERS.md.
import { Client } from "./lib/client.js";
import { Follower } from "./lib/follower.js";
import { ClientError, ClientTimeout, ServerError, WorkflowStopped } from "./lib/outcomes.js";
import { Subscriber } from "./lib/subscriber.js";

const CAPABILITIES = ["request", "protobuf", "async", "subscribe", "store"];
const RESULTS = [
  [ServerError, "error"],
  [ClientError, "client-error"],
  [ClientTimeout, "timeout"],
  [WorkflowStopped, "stopped"],
];

const connections = new Map();
const bytes = (octets) => octets.toString("base64");

async function keep(name, connection) {
  connections.get(name)?.close();
  connections.set(name, await connection);
  return { result: "done" };
}

const commands = {
  capabilities: () => ({ result: "capabilities", protocol: 1, capabilities: CAPABILITIES }),

  async connect({ connection, workflow, timeout }) {
    const client = new Client(workflow, { timeout });
    await client.check();
    return keep(connection, client);
  },

  async request({ connection, command, args, timeout }) {
    const data = await connections.get(connection).request(command, args, timeout);
    return Buffer.isBuffer(data) ? { result: "data", bytes: bytes(data) } : { result: "data", data };
  },

  subscribe: ({ connection, workflow, topics }) => keep(connection, Subscriber.open(workflow, topics)),

  async receive({ connection, timeout }) {
    const { topic, payload } = await connections.get(connection).receive(timeout);
    return { result: "data", topic, bytes: bytes(payload) };
  },

  follow: ({ connection, workflow }) => keep(connection, Follower.open(workflow)),

  async store({ connection, timeout }) {
    return { result: "data", bytes: bytes(await connections.get(connection).look(timeout)) };
  },

  close({ connection }) {
    connections.get(connection)?.close();
    connections.delete(connection);
    return { result: "done" };
  },
};

function failure(error) {
  const [, result] = RESULTS.find(([kind]) => error instanceof kind) ?? [];
  if (!result) throw error; // a crash, which ends the adapter
  return { result, message: error.message };
}

async function answer(line) {
  const { id, ...command } = JSON.parse(line);
  const act = Object.hasOwn(commands, command.do) && commands[command.do];
  let said = { result: "unsupported" };
  try {
    if (act) said = await act(command);
  } catch (error) {
    said = failure(error);
  }
  process.stdout.write(`${JSON.stringify({ id, ...said })}\n`);
}

// Not node:readline, for which U+2028 ends a line as well.
let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  lines.forEach(answer);
});
process.stdin.on("end", () => process.exit(0));
