// The endpoint graphql: documents, queries and mutations (sections 7.6, 7.7).
import { readFileSync } from "node:fs";
import { buildSchema, execute, Kind, parse, validate } from "graphql";
import { broadcast, commands } from "./commands.js";
import { Refusal } from "./dispatch.js";
import { workflowMatcher } from "./identifiers.js";
import { resolve } from "./resolve.js";

const PLACE = new URL("../../../../schemas/graphql/", import.meta.url);
const TOKENS = 20_000; // of a document that is looked at

function schemaOf(version) {
  const release = version.split(".").slice(0, 2).join(".");
  const texts = ["base", release].map((name) => readFileSync(new URL(`${name}.graphql`, PLACE), "utf8"));
  const schema = buildSchema(texts.join("\n"));
  schema.getType("Node").resolveType = (one) => ("family" in one ? "FamilyProxy" : "TaskProxy");
  return schema;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const refuse = (errors) => {
  throw new Refusal(errors.map(message).join("\n"));
};

// What is not foreseen stays in the log.
function message(error) {
  const cause = error.originalError;
  if (!cause || cause instanceof Refusal) return error.message;
  process.stderr.write(`${cause.stack}\n`);
  return "the operation failed";
}

function guarded(act) {
  try {
    return act();
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal("the document is nested too deeply");
    throw error;
  }
}

/** The endpoint; `current` returns {store}, `tell(act)` lets an act of a scheduler happen. */
export function graphqlEndpoint(version, current, tell) {
  const schema = schemaOf(version);
  const call = ({ request_string: text, variables }) => {
    if (typeof text !== "string") throw new Refusal("there is no text 'request_string'");
    if (variables != null && !isObject(variables)) throw new Refusal("'variables' is not an object");
    return guarded(() => answer(schema, text, variables ?? {}, current().store, tell));
  };
  return { graphql: { description: "Carries out the GraphQL document in the argument request_string.", call } };
}

function answer(schema, text, variableValues, store, tell) {
  const document = read(schema, text);
  const fieldResolver = (source, args, context, info) =>
    info.parentType === schema.getMutationType()
      ? { result: mutate(info.fieldName, args, context, tell) }
      : resolve(source, args, context, info);
  const { data, errors } = execute({ schema, document, rootValue: {}, contextValue: store, variableValues, fieldResolver });
  if (errors) refuse(errors);
  return data;
}

function read(schema, text) {
  let document;
  try {
    document = parse(text, { maxTokens: TOKENS });
  } catch (error) {
    if (error.name === "GraphQLError") refuse([error]);
    throw error;
  }
  const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  if (operations.length !== 1) throw new Refusal(`the document has ${operations.length} operations instead of one`);
  if (operations[0].operation === "subscription") throw new Refusal("subscriptions cannot be answered");
  const errors = validate(schema, document);
  if (errors.length) refuse(errors);
  return document;
}

function mutate(name, { workflows, ...args }, store, tell) {
  const [workflow] = store.workflow.values();
  const chosen = workflows.length === 0 || matches(workflows, workflow);
  if (!chosen) return [{ response: [false, `no workflow is one of ${workflows.join(", ")}`] }];
  return [{ id: workflow.id, response: respond(name, args, tell) }];
}

// What is no identifier selects nothing.
function matches(items, workflow) {
  return items.some((item) => {
    try {
      return workflowMatcher(item)(workflow);
    } catch {
      return false;
    }
  });
}

function respond(name, args, tell) {
  if (name === "broadcast") return tell((scheduler) => broadcast(scheduler, args));
  try {
    tell((scheduler, now) => commands[name](scheduler, args, now));
    return [true, "accepted"];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [false, error.message];
  }
}
