// What the contact file says of a server that does not answer, or is silent.
import * as contacts from "./contact.js";
import { ClientError, WorkflowStopped } from "./outcomes.js";
import { isDead } from "./processes.js";

/** The contact of a workflow. Throws WorkflowStopped if there is none, ClientError. */
export async function find(service, workflow) {
  const contact = await contacts.read(service);
  if (contact === undefined) throw new WorkflowStopped(`${workflow} is not running`);
  return contact;
}

/**
 * Look again, after a time-out or while nothing is published, for a server that was at `address`.
 * Throws WorkflowStopped or ClientError; returns if the server may still be running there.
 */
export async function verify(service, workflow, address, field) {
  const contact = await find(service, workflow);
  const now = contacts.address(contact, field);
  if (now !== address)
    throw new ClientError(`${workflow} has moved from ${address} to ${now}`);
  if (await isDead(contact))
    throw new WorkflowStopped(`${workflow} is not running: its process is dead`);
}
