/**
 * One attempt to deliver one event over HTTP(S). Invariants: it ends within its deadline; a redirect is not followed;
 * the connection goes to an address that the policy allows, whatever the name resolves to.
 */
import { lookup as systemLookup, type LookupAddress } from "node:dns";
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import type { Attempt } from "./outbox.ts";
import { literalAddress, mayReach, type TargetPolicy } from "./target.ts";

/** What is to be sent. */
export interface PostRequest {
  readonly url: URL;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly policy: TargetPolicy;
  readonly withinMs: number;
}

/** How it went; `reason` is a phrase for the log. */
export interface PostResult {
  readonly attempt: Attempt;
  readonly reason: string;
}

/** Statuses after which another attempt makes sense, beside all of 5xx. */
const AGAIN: ReadonlySet<number> = new Set([408, 425, 429]);

/** Connections to webhook receivers are kept for the next event. */
export class Poster {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: 64, timeout: 60_000 });
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: 64, timeout: 60_000 });
  readonly #resolve: typeof systemLookup;

  /** `resolve`: another name service, for tests. */
  constructor(resolve: typeof systemLookup = systemLookup) {
    this.#resolve = resolve;
  }

  post(request: PostRequest): Promise<PostResult> {
    const { url, policy } = request;
    const literal = literalAddress(url);
    if (literal !== undefined && !mayReach(literal, policy)) return Promise.resolve(forbidden(literal));
    return new Promise((resolve) => this.#send(request, resolve));
  }

  /** Closes idle connections. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #send({ url, body, headers, policy, withinMs }: PostRequest, done: (result: PostResult) => void): void {
    const secure = url.protocol === "https:";
    const options: RequestOptions = {
      method: "POST",
      agent: secure ? this.#https : this.#http,
      lookup: guardedLookup(this.#resolve, policy),
      headers: { ...headers, "content-length": Buffer.byteLength(body) },
    };
    let outgoing: ClientRequest;
    try {
      outgoing = secure ? httpsRequest(url, options) : httpRequest(url, options);
    } catch (error) {
      done({ attempt: "refused", reason: message(error) });
      return;
    }
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${withinMs / 1000} s`)), withinMs);
    const finish = (result: PostResult) => {
      clearTimeout(timer);
      done(result);
    };
    outgoing.on("response", (response) => {
      response.on("error", () => {}); // the status is known, the rest does not matter
      response.resume();
      // a body without end must not hold the connection
      response.on("end", () => clearTimeout(timer));
      done(judge(response.statusCode ?? 0));
    });
    outgoing.on("error", (error: Error & { forbidden?: string }) => {
      finish(error.forbidden ? forbidden(error.forbidden) : { attempt: "again", reason: message(error) });
    });
    outgoing.end(body);
  }
}

function judge(status: number): PostResult {
  const reason = `status ${status}`;
  if (status >= 200 && status < 300) return { attempt: "delivered", reason };
  if (status >= 300 && status < 400) return { attempt: "refused", reason: `${reason}: redirects are not followed` };
  return { attempt: status >= 500 || AGAIN.has(status) ? "again" : "refused", reason };
}

/** Not tried again: the operator has to change something. */
function forbidden(address: string): PostResult {
  return {
    attempt: "refused",
    reason: `${address} is not a public address; "webhook.allow_private_targets: true" allows it`,
  };
}

/** A name service that gives only allowed addresses. */
function guardedLookup(resolve: typeof systemLookup, policy: TargetPolicy): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return callback(error, "", 0);
      const allowed = addresses.filter(({ address }) => mayReach(address, policy));
      const [first] = allowed;
      if (!first) {
        const refusal = Object.assign(new Error("target not allowed"), {
          forbidden: addresses[0]?.address ?? hostname,
        });
        return callback(refusal, "", 0);
      }
      return options.all ? callback(null, allowed) : callback(null, first.address, first.family);
    });
  };
}

function message(error: unknown): string {
  const { code, message: text } = error as { code?: string; message?: string };
  return code ?? text ?? String(error);
}
