// The messages of the data store, as proto/ describes them; names as on the wire.
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const FILE = new URL("../../../../proto/wri_proto/v1/data_store.proto", import.meta.url);
const root = new protobuf.Root().loadSync(fileURLToPath(FILE), { keepCase: true });
root.resolveAll();

const VARINT = 0, BITS64 = 1, LENGTH = 2, BITS32 = 5;
const WIRE = { double: BITS64, float: BITS32, string: LENGTH };
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The reflection of a message by its name. */
export const type = (name) => root.lookupType(`wri_proto.v1.${name}`);

/** The octets of a message, from a plain object. */
export const encode = (name, value) => Buffer.from(type(name).encode(value).finish());

/** A message from its octets. Throws if they are none: protobufjs alone would take nearly all. */
export function decode(name, octets) {
  verify(type(name), protobuf.Reader.create(octets), octets.length);
  return type(name).decode(octets);
}

function verify(message, reader, end) {
  while (reader.pos < end) {
    const tag = reader.uint32();
    const [number, wire] = [tag >>> 3, tag & 7];
    const field = message.fieldsById[number];
    if (!number) throw new Error("a field has the number 0");
    if (wire !== LENGTH || !field) {
      if (field && wire !== wireOf(field)) throw new Error(`${field.name} has the wire type ${wire}`);
      if (wire === 3 || wire === 4) throw new Error("there is a group");
      reader.skipType(wire, 0, number);
    } else {
      if (wireOf(field) !== LENGTH) throw new Error(`${field.name} has the wire type ${wire}`);
      const stop = reader.uint32() + reader.pos;
      if (stop > end) throw new Error(`${field.name} is cut off`);
      if (field.map) verifyEntry(field, reader, stop);
      else if (field.resolvedType) verify(field.resolvedType, reader, stop);
      else verifyText(reader, stop);
    }
    if (reader.pos > end) throw new Error("the message is cut off");
  }
}

const wireOf = (field) =>
  field.map || field.resolvedType ? LENGTH : (WIRE[field.type] ?? VARINT);

function verifyEntry(field, reader, end) {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === ((2 << 3) | LENGTH) && field.resolvedType)
      verify(field.resolvedType, reader, reader.uint32() + reader.pos);
    else reader.skipType(tag & 7, 0, tag >>> 3);
  }
  if (reader.pos !== end) throw new Error(`an entry of ${field.name} is cut off`);
}

function verifyText(reader, end) {
  utf8.decode(reader.buf.subarray(reader.pos, end));
  reader.pos = end;
}
