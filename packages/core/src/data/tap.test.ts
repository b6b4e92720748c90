/** How much of the data main is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MediaEvent } from "../engine/events.ts";
import { DataTap } from "./tap.ts";

test("main is told a bounded amount per second, and how much it missed", () => {
  const events: MediaEvent[] = [];
  const tap = new DataTap((event) => events.push(event));
  for (let i = 0; i < 6000; i++) tap.take("PA_1", true, new Uint8Array(10), 1000);
  assert.equal(events.length, 5000);
  tap.take("PA_1", true, new Uint8Array(10), 2000);
  const [log, next] = events.slice(5000);
  assert.ok(log?.type === "log" && log.fields["messages"] === 1000);
  assert.ok(next?.type === "data" && next.participant === "PA_1");
  for (let i = 0; i < 20; i++) tap.take("PA_1", false, new Uint8Array(1 << 20), 3000);
  assert.equal(events.filter((event) => event.type === "data" && !event.reliable).length, 8);
});
