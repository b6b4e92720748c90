/**
 * What was negotiated with a subscriber, in the form that the packet path reads: payload types and header extensions.
 * Subscribers who negotiated the same share one pair of tables, so that a fan-out to many finds it in the processor's cache.
 */
import type { CodecSpec, SenderSpec } from "../engine/specs.ts";
import { CodecTable } from "./codec-table.ts";
import { ExtensionPlan } from "./extension-plan.ts";

export interface Tables {
  readonly codecs: CodecTable;
  readonly plan: ExtensionPlan;
}

/** More kinds of clients than there are; then it starts over, and those who have their tables keep them. */
const MAX_KINDS = 64;

/** Nothing is carried. */
export const NO_TABLES: Tables = { codecs: new CodecTable([], [], false), plan: new ExtensionPlan({}, false) };

/** The tables of one codec of a published track. */
export class SharedTables {
  readonly #known = new Map<string, Tables>();
  /** The same by identity, for those who ask again: a layer that comes or goes asks for every subscriber. */
  readonly #found = new WeakMap<SenderSpec, { readonly published: readonly CodecSpec[]; readonly tables: Tables }>();

  /** The tables for subscribers with this description of a track published with these codecs. */
  find(published: readonly CodecSpec[], spec: SenderSpec): Tables {
    const found = this.#found.get(spec);
    if (found?.published === published) return found.tables;
    const tables = this.#share(published, spec);
    this.#found.set(spec, { published, tables });
    return tables;
  }

  #share(published: readonly CodecSpec[], { codecs, extensions, rtxSsrc }: SenderSpec): Tables {
    const hasRtx = rtxSsrc !== 0;
    const key = JSON.stringify([published, codecs, extensions, hasRtx]);
    const known = this.#known.get(key);
    if (known) return known;
    const table = new CodecTable(published, codecs, hasRtx);
    const made = { codecs: table, plan: new ExtensionPlan(extensions, table.repeatsPlainly) };
    if (this.#known.size >= MAX_KINDS) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }
}
