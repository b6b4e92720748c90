/** HTTP listeners: one per bind address, all on one port. Every way to fail is one sentence that says what to change. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { StoaError } from "@stoa/core/errors";
import { operatorError } from "./errors.ts";

/** An open listener. */
export interface Listener {
  readonly server: Server;
  readonly address: string;
  readonly port: number;
}

/** The port that is wanted, and where it comes from. */
export interface PortWish {
  /** 0 = any free one. */
  readonly port: number;
  /** "HTTP", "metrics" */
  readonly what: string;
  /** Its key in the configuration. */
  readonly key: string;
}

/**
 * Opens a server on each address (undefined = all of the machine) or on none. `::1` is left out, with a word in
 * `skipped`, where the system has no IPv6.
 */
export async function listenAll(
  createServer: () => Server,
  addresses: readonly (string | undefined)[],
  wish: PortWish,
): Promise<{ listeners: Listener[]; skipped: string[] }> {
  const listeners: Listener[] = [];
  const skipped: string[] = [];
  for (const address of addresses) {
    const server = createServer();
    // with port 0 the first one chooses for all
    const wanted = listeners[0]?.port ?? wish.port;
    const failure = await listen(server, address, wanted);
    if (!failure) {
      listeners.push({ server, address: address ?? "", port: (server.address() as AddressInfo).port });
    } else if (address === "::1" && listeners.length > 0 && isAbsent(failure)) {
      skipped.push(address);
    } else {
      await closeAll(listeners);
      throw explain(failure, address, { ...wish, port: wanted });
    }
  }
  return { listeners, skipped };
}

/** Stops listening; open connections stay. */
export async function closeAll(listeners: readonly Listener[]): Promise<void> {
  await Promise.all(listeners.map(({ server }) => new Promise((resolve) => server.close(resolve))));
}

type ListenFailure = Error & { code?: string };

function listen(server: Server, host: string | undefined, port: number): Promise<ListenFailure | undefined> {
  return new Promise((resolve) => {
    server.once("error", resolve);
    server.listen(host === undefined ? { port } : { port, host }, () => {
      server.off("error", resolve);
      resolve(undefined);
    });
  });
}

function isAbsent({ code }: ListenFailure): boolean {
  return code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT";
}

function explain(failure: ListenFailure, address: string | undefined, { port, what, key }: PortWish): StoaError {
  const flag = `--${key}`;
  if (failure.code === "EADDRINUSE") {
    const change = `choose another with ${flag}, or "${key}:" in the configuration`;
    return operatorError("port_in_use", `TCP port ${port} for ${what} is in use; ${change}.`, failure);
  }
  if (failure.code === "EACCES") {
    const sentence = `TCP port ${port} for ${what} needs privileges; choose one above 1023 with ${flag}.`;
    return operatorError("port_in_use", sentence, failure);
  }
  const reason = isAbsent(failure)
    ? "is not an address of this machine"
    : `cannot be listened on (${failure.code ?? failure.message})`;
  return operatorError(
    "address_unavailable",
    `${address ?? "any address"} ${reason}; change --bind or "bind_addresses:".`,
    failure,
  );
}
