// The protobuf endpoints (sections 7.4, 7.5), on a data store {type: Map of elements}.
import { quote, Refusal } from "./dispatch.js";
import { checksum, TYPES } from "./elements.js";
import { encode } from "./protobuf.js";

/** The endpoints; `current` returns {store, time}. */
export const dataEndpoints = (current) => ({
  pb_entire_workflow: {
    description: "The whole data store, as a PbEntireWorkflow.",
    call: () => entire(current()),
  },
  pb_data_elements: {
    description: "All elements of the type that the argument element_type names, as a delta.",
    call: (args) => elements(current(), args),
  },
});

function entire({ store: { workflow, ...others } }) {
  const value = Object.fromEntries(Object.entries(others).map(([name, of]) => [name, [...of.values()]]));
  const [one] = workflow.values();
  return encode("PbEntireWorkflow", { ...value, workflow: one });
}

function elements({ store, time }, args) {
  const name = Object.hasOwn(args, "element_type") ? args.element_type : undefined;
  if (name === undefined) throw new Refusal("there is no argument 'element_type'");
  if (typeof name !== "string") throw new Refusal("'element_type' is not a string");
  if (!Object.hasOwn(TYPES, name)) throw new Refusal(`there is no type ${quote(name)}`);
  const added = [...store[name].values()];
  return encode(
    TYPES[name].delta,
    name === "workflow" ? { time, added: added[0] } : { time, checksum: checksum(name, added), added },
  );
}
