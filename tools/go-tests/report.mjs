// Reads what a Go test program prints with -test.v, line by line, as results of the innermost parts of one test.

const SPEAKS = /^\s*=== (?:RUN|NAME|CONT)\s+(\S.*)$/;
const ENDS = /^\s*--- (PASS|FAIL|SKIP): (.+) \(([\d.]+)s\)$/;
/** What a test says when it fails: by its own words, by the assertion library's, or by falling over. */
const SAYS = /^\s+\w+\.go:\d+: (\S.*)$/;
const ASSERTS = /^\s+(?:Error|Messages):\s+(\S.*)$/;
const PANICS = /^(?:panic|fatal error): (.*)$/;
const RESULTS = { PASS: "passed", FAIL: "failed", SKIP: "skipped" };

/** Lines of one test go in, results come out. */
export class ReportReader {
  #begun = new Set();
  #ended = new Map();
  #said = new Map();
  #speaker = "";
  #panic = "";

  /** Takes a line of the program; gives the result that it announces, if any. */
  read(line) {
    const speaker = SPEAKS.exec(line)?.[1];
    if (speaker) {
      this.#speaker = speaker;
      this.#begun.add(speaker);
      return undefined;
    }
    const said = SAYS.exec(line) ?? ASSERTS.exec(line);
    if (said) this.#said.set(this.#speaker, [...(this.#said.get(this.#speaker) ?? []), said[1]]);
    this.#panic ||= PANICS.exec(line)?.[1] ?? "";
    const [, word, name, seconds] = ENDS.exec(line) ?? [];
    if (!word) return undefined;
    const part = { name: short(name), result: RESULTS[word], seconds: Number(seconds), detail: "" };
    if (word === "FAIL") part.detail = (this.#said.get(name) ?? []).slice(-2).join(": ");
    if (word === "SKIP") part.detail = this.#said.get(name)?.[0] ?? "";
    this.#ended.set(name, part);
    return part;
  }

  /** The results of the test's innermost parts, after the program ended: a part that had begun and not ended has failed. */
  finish(test, succeeded, seconds) {
    for (const name of this.#begun) {
      if (this.#ended.has(name)) continue;
      this.#ended.set(name, { name: short(name), result: "failed", seconds, detail: this.#panic || "did not end" });
    }
    const names = [...this.#ended.keys()];
    const innermost = names.filter((name) => !names.some((other) => other.startsWith(`${name}/`)));
    const parts = innermost.map((name) => this.#ended.get(name));
    // Who falls over is named before it says why.
    for (const part of parts) if (part.result === "failed") part.detail ||= this.#panic;
    if (succeeded || parts.some(({ result }) => result === "failed")) return parts;
    return [...parts, { name: test, result: "failed", seconds, detail: this.#panic || "failed as a whole" }];
  }
}

function short(name) {
  return name.replaceAll("testRTCServicePath=", "");
}
