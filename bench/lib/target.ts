/** The server that a benchmark measures: Stoa started by itself (or what SUT_CMD names), or any LiveKit server by its URL. */
import { createAccessToken } from "@stoa/testkit/access-token";
import { type ServerOptions, startServer } from "@stoa/testkit/server-process";

/** A server under measurement. */
export interface Target {
  /** What to print: "Stoa", or the URL. */
  readonly name: string;
  readonly url: string;
  /** Process id, when it is known. */
  readonly pid: number | undefined;
  token(identity: string, room: string, grants?: Record<string, unknown>): string;
  /** Ends the server, if it was started here. */
  stop(): Promise<void>;
}

/** `url`, `key`, `secret`, `pid` as on the command line. */
export type TargetArguments = Readonly<Record<string, string | undefined>>;

/** Finds or starts the server. */
export async function openTarget(given: TargetArguments, options: ServerOptions = {}): Promise<Target> {
  if (given.url) {
    const { url, key = "devkey", secret = "secret" } = given;
    return {
      name: url,
      url: url.replace(/^http/, "ws"),
      pid: given.pid === undefined ? undefined : Number(given.pid),
      token: (identity, room, grants) => createAccessToken(key, secret, identity, { roomJoin: true, room, ...grants }),
      stop: async () => {},
    };
  }
  const server = await startServer(options);
  return {
    name: process.env.SUT_CMD ?? "Stoa",
    url: server.url,
    pid: server.child.pid,
    token: (identity, room, grants) => server.token(identity, room, grants),
    stop: async () => void (await server.stop()),
  };
}
