/** From a failed validation to one sentence: where it was written, which key, what is wrong, which key was meant. */
import type { z } from "zod";
import { nearest } from "./nearest.ts";
import { PlainScalar } from "./scalar.ts";
import { keysAt, scalarKeys } from "./schema-walk.ts";
import { isSection, pathKey, type ConfigTree, type Origin } from "./yaml-source.ts";

type Issue = z.core.$ZodIssue;

/** `file, line 3`, or the name of the flag or variable. */
export function describeOrigin(origin: Origin | undefined, fallback: string): string {
  if (!origin) return fallback;
  return origin.line === undefined ? origin.name : `${origin.name}, line ${origin.line}`;
}

/** The first mistake in reading order, as one sentence. */
export function explainIssues(
  issues: readonly Issue[],
  tree: ConfigTree,
  origins: ReadonlyMap<string, Origin>,
  fallback: string,
): string {
  const mistakes = issues.map((issue) => {
    const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0]!] : issue.path;
    const origin = nearestOrigin(origins, path);
    return { issue, path, origin, rank: origin?.line ?? 0 };
  });
  mistakes.sort((a, b) => a.rank - b.rank);
  const { issue, path, origin } = mistakes[0]!;
  const where = describeOrigin(origin, fallback);
  const name = dotted(path);
  if (issue.code === "unrecognized_keys") return `${where}: unknown key "${name}"${suggestion(path)}`;
  return `${where}: "${name}" ${complaint(issue, valueAt(tree, path))}.`;
}

function nearestOrigin(origins: ReadonlyMap<string, Origin>, path: readonly PropertyKey[]): Origin | undefined {
  for (let length = path.length; length > 0; length--) {
    const origin = origins.get(pathKey(path.slice(0, length)));
    if (origin) return origin;
  }
  return undefined;
}

/** `rtc.turn_servers[0].host`. */
function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? String(step) : `${text}.${String(step)}`;
  }, "");
}

function suggestion(path: readonly PropertyKey[]): string {
  const key = String(path.at(-1));
  const section = path.slice(0, -1);
  const siblings = keysAt(section) ?? [];
  const sibling = nearest(key, siblings);
  if (sibling) return `; did you mean "${dotted([...section, sibling])}"?`;
  // the right key in the wrong section
  const elsewhere = scalarKeys().find(({ path: other }) => other.at(-1) === key);
  if (elsewhere) return `; did you mean "${elsewhere.path.join(".")}"?`;
  return siblings.length > 0 && siblings.length <= 12 ? `; known here are ${siblings.join(", ")}.` : ".";
}

function complaint(issue: Issue, value: ConfigTree): string {
  if (issue.code === "custom") return issue.message;
  const found = kindOf(value);
  if (issue.code === "invalid_type") {
    if (found === "nothing") return "is missing";
    if (issue.expected === "array") return `must be a list such as [a, b], not ${found}`;
    return `must be a section of \`key: value\` lines, not ${found}`;
  }
  return `is not valid: ${issue.message}`;
}

function kindOf(value: ConfigTree): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (value instanceof PlainScalar || typeof value === "string") return "a single value";
  return "a section";
}

function valueAt(tree: ConfigTree, path: readonly PropertyKey[]): ConfigTree {
  let value = tree;
  for (const step of path) {
    if (Array.isArray(value)) value = value[Number(step)];
    else if (isSection(value)) value = value[String(step)];
    else return undefined;
  }
  return value;
}
