// What can come of a request or a subscription, other than data (chapter 11).

/** The client could not ask, or what came is no response. */
export class ClientError extends Error {}

/** The server answered with an error; the message is the server's. */
export class ServerError extends ClientError {}

/** Nothing came in time, and the server may still be running. */
export class ClientTimeout extends Error {}

/** The workflow does not run; of a subscriber, the message is the reason. */
export class WorkflowStopped extends Error {}
