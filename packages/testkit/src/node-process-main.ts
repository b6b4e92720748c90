/** The process that node-process.ts starts: one `NodeClient`, told what to do by messages. */
import { NodeClient } from "./node-client.ts";

const client = new NodeClient(process.argv[2] ?? "");

const ACTIONS = {
  join: (url: string, token: string) => client.join({ url, token: () => token }, ""),
  publishPicture: () => client.publishPicture(),
  send: (text: string) => client.send(text),
  messages: () => client.messages,
  events: () => client.events,
  seen: (identity: string) => client.seen(identity),
};

/** What it can be told. */
export type Action = keyof typeof ACTIONS;
/** One thing to do, and what came of it. */
export interface Request {
  readonly id: number;
  readonly action: Action;
  readonly args: readonly unknown[];
}
export interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

process.on("message", ({ id, action, args }: Request) => {
  const act = ACTIONS[action] as (...list: readonly unknown[]) => unknown;
  Promise.resolve(act(...args)).then(
    (result) => process.send?.({ id, result } satisfies Reply),
    (error: unknown) => process.send?.({ id, error: String(error) } satisfies Reply),
  );
});
process.once("disconnect", () => process.exit());
