/** A `NodeClient` in a process of its own, which can be stopped as a whole. The other half is node-process-main.ts. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Action, Reply, Request } from "./node-process-main.ts";
import type { ServerProcess } from "./server-process.ts";

const MAIN = fileURLToPath(new URL("./node-process-main.js", import.meta.url));

/** One participant on the native SDK, in another process. */
export class NodeProcess {
  readonly identity: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #nextId = 1;

  constructor(identity: string) {
    this.identity = identity;
    this.#child = fork(MAIN, [identity], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#child.on("message", ({ id, result, error }: Reply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result as never);
      else waiting?.reject(new Error(error));
    });
    this.#child.once("exit", (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the Node program ended with code ${code}`));
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  join(server: ServerProcess, room: string): Promise<void> {
    return this.call("join", server.url, server.token(this.identity, room));
  }

  call<T>(action: Action, ...args: unknown[]): Promise<T> {
    const id = this.#nextId++;
    this.#child.send({ id, action, args } satisfies Request);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }
}
