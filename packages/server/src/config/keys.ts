/** API keys: from the configuration, from LIVEKIT_KEYS, or from a file that only its owner may read. */
import { operatorError, whyUnread } from "../errors.ts";
import { PlainScalar } from "./scalar.ts";
import { parseYamlSource } from "./yaml-source.ts";

/** Below this a secret can be guessed; LiveKit complains likewise. */
const SECRET_CHARACTERS = 32;

/** The pair that `--dev` uses when none is configured. */
export const DEV_KEY = { key: "devkey", secret: "secret" } as const;

/** Files as the configuration reads them; tests give their own. */
export interface ConfigFiles {
  read(path: string): string;
  /** Permission bits. */
  mode(path: string): number;
}

/** `key: secret` lines, or undefined when the text is something else. */
export function parseKeyLines(text: string): Map<string, string> | undefined {
  const source = parseYamlSource(text, "keys");
  if (!("tree" in source)) return undefined;
  const keys = new Map<string, string>();
  for (const [key, secret] of Object.entries(source.tree)) {
    if (!(secret instanceof PlainScalar) && typeof secret !== "string") return undefined;
    keys.set(key, secret instanceof PlainScalar ? secret.source : secret);
  }
  return keys;
}

/** The path of `key_file`; `~` and `$NAME` in it are expanded as LiveKit does. */
export function keyFilePath(path: string, env: Readonly<Record<string, string | undefined>>): string {
  return path
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => env[braced ?? bare ?? ""] ?? "")
    .replace(/^~(?=\/|$)/, env["HOME"] ?? "~");
}

/** Reads `key_file`. */
export function readKeyFile(path: string, files: ConfigFiles, env: Readonly<Record<string, string | undefined>>) {
  const file = keyFilePath(path, env);
  let text: string;
  try {
    if ((files.mode(file) & 0o007) !== 0) {
      throw operatorError("key_file", `${file}: others may read this key file; run: chmod o-rwx ${file}`);
    }
    text = files.read(file);
  } catch (error) {
    if ((error as { code?: string }).code === "key_file") throw error;
    throw operatorError("key_file", `${file}: the key file ${whyUnread(error)}.`, error);
  }
  const keys = parseKeyLines(text);
  if (!keys)
    throw operatorError("key_file", `${file}: a key file has one "key: secret" a line, with a space after the colon.`);
  return keys;
}

/** One warning for all secrets that are too short, or undefined. */
export function shortSecretWarning(keys: ReadonlyMap<string, string>): string | undefined {
  const short = [...keys].filter(([, secret]) => secret.length < SECRET_CHARACTERS).map(([key]) => key);
  if (short.length === 0) return undefined;
  return `The secret of API key ${short.join(", ")} is shorter than ${SECRET_CHARACTERS} characters; "stoa generate-keys" makes a safe one.`;
}
