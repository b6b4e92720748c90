/** docs/3-reference/metrics.md and what the server gives out say the same. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createInstruments } from "./instruments.ts";

const PAGE = new URL("../../../../docs/3-reference/metrics.md", import.meta.url);

/** Name, type and labels by the tables of the page. */
function documented(): Map<string, string> {
  const rows = readFileSync(PAGE, "utf8").matchAll(/^\| `([a-z0-9_]+)` +\| (\w+) +\| ([^|]*)\| [^|]+\| [^|]+\|$/gm);
  return new Map(
    [...rows].map(([, name, type, labels]) => [
      name!,
      `${type} {${[...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label).join()}}`,
    ]),
  );
}

/** The same by the registry, which prints the page for Prometheus. */
async function exposed(): Promise<Map<string, string>> {
  const { registry } = createInstruments("ND_test", { process: true });
  const text = await registry.metrics();
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
  const metrics = registry.getMetricsAsArray() as unknown as { name: string; labelNames: readonly string[] }[];
  return new Map(metrics.map(({ name, labelNames }) => [name, `${types.get(name)} {${labelNames.join()}}`]));
}

test("every figure is in the page with its type and labels, and every row of the page is a figure", async () => {
  const [told, shown] = [documented(), await exposed()];
  for (const [name, what] of shown) assert.equal(told.get(name), what, name);
  // Node knows less of the process elsewhere.
  const absent = [...told.keys()].filter((name) => !shown.has(name));
  assert.deepEqual(process.platform === "linux" ? absent : absent.filter((name) => !name.startsWith("process_")), []);
});
