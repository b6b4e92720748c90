/**
 * YAML text to a plain tree, with the line of every key. Scalars without quotes become `PlainScalar`, quoted ones strings;
 * a key without a value becomes `undefined`, as LiveKit leaves the default then. Anchors and `<<` are followed.
 */
import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Document,
  type Node,
} from "yaml";
import { isNullText, PlainScalar } from "./scalar.ts";

/** A nested value as YAML gives it. */
export type ConfigTree = PlainScalar | string | undefined | ConfigTree[] | { [key: string]: ConfigTree };

/** Where a value was written: a file and a line, a flag, or an environment variable. */
export interface Origin {
  /** "stoa.yaml", "--config-body", "--rtc.tcp_port", "LIVEKIT_KEYS". */
  readonly name: string;
  /** 1-based; undefined for a flag or a variable. */
  readonly line?: number;
}

/** The tree of one document and the origin of each path. */
export interface YamlSource {
  readonly tree: { [key: string]: ConfigTree };
  readonly origins: Map<string, Origin>;
}

/** A mistake at one place of the text. */
export interface YamlMistake {
  readonly line: number;
  readonly reason: string;
}

/** Key of `YamlSource.origins`. */
export function pathKey(path: readonly PropertyKey[]): string {
  return path.map(String).join("\u0000");
}

const MAX_NODES = 100_000;
const MAX_DEPTH = 40;

/** Reads the first document of `text`; an empty text is an empty tree. */
export function parseYamlSource(text: string, name: string): YamlSource | YamlMistake {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    schema: "failsafe",
    lineCounter: lines,
    uniqueKeys: true,
    logLevel: "silent",
  });
  const origins = new Map<string, Origin>();
  if (!Array.isArray(documents) || documents.length === 0) return { tree: {}, origins };
  const document = documents[0]!;
  const error = document.errors[0];
  if (error)
    return {
      line: lines.linePos(error.pos[0]).line,
      reason: error.message.split("\n")[0]!.replace(/ at line \d+.*$/, ""),
    };
  const reader = new TreeReader(document, (node, path) => {
    const at = node.range?.[0];
    if (at !== undefined) origins.set(pathKey(path), { name, line: lines.linePos(at).line });
  });
  try {
    const tree = document.contents ? reader.read(document.contents as Node, [], 0) : {};
    if (tree === undefined) return { tree: {}, origins };
    if (typeof tree !== "object" || Array.isArray(tree) || tree instanceof PlainScalar) {
      return { line: 1, reason: "the configuration must be a list of `key: value` lines" };
    }
    return { tree, origins };
  } catch (cause) {
    if (cause instanceof TooLarge) return { line: 1, reason: "the document refers to itself or is far too large" };
    throw cause;
  }
}

class TooLarge extends Error {}

class TreeReader {
  readonly #document: Document;
  readonly #note: (node: Node, path: readonly string[]) => void;
  #nodes = 0;

  constructor(document: Document, note: (node: Node, path: readonly string[]) => void) {
    this.#document = document;
    this.#note = note;
  }

  read(node: Node, path: readonly string[], depth: number): ConfigTree {
    if (++this.#nodes > MAX_NODES || depth > MAX_DEPTH) throw new TooLarge("yaml");
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      return target ? this.read(target, path, depth + 1) : undefined;
    }
    if (isMap(node)) return this.#readMap(node.items, path, depth);
    if (isSeq(node)) {
      return node.items.map((item, i) => {
        this.#note(item as Node, [...path, String(i)]);
        return this.read(item as Node, [...path, String(i)], depth + 1);
      });
    }
    if (!isScalar(node)) return undefined;
    const text = typeof node.value === "string" ? node.value : (node.source ?? "");
    if (node.type !== "PLAIN" && node.type !== undefined) return text;
    return isNullText(text) ? undefined : new PlainScalar(text);
  }

  #readMap(items: readonly unknown[], path: readonly string[], depth: number): { [key: string]: ConfigTree } {
    const own: { [key: string]: ConfigTree } = {};
    const merged: { [key: string]: ConfigTree } = {};
    for (const item of items) {
      if (!isPair(item)) continue;
      const key = isScalar(item.key) ? String(item.key.value) : String(item.key);
      const at = [...path, key];
      const value = item.value ? this.read(item.value as Node, at, depth + 1) : undefined;
      if (key === "<<") {
        for (const part of Array.isArray(value) ? value : [value]) if (isSection(part)) Object.assign(merged, part);
        continue;
      }
      if (item.key) this.#note(item.key as Node, at);
      Object.defineProperty(own, key, { value, enumerable: true, writable: true, configurable: true });
    }
    return { ...merged, ...own };
  }
}

/** Whether a value of the tree is a mapping. */
export function isSection(value: ConfigTree): value is { [key: string]: ConfigTree } {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof PlainScalar);
}
