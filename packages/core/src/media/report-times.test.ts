import assert from "node:assert/strict";
import { test } from "node:test";
import { ReportTimes } from "./report-times.ts";

test("round trips are computed from our own reports only", () => {
  const times = new ReportTimes();
  assert.equal(times.rttMs(0, 0, 100), -1);
  times.sent(5000, 1000);
  times.sent(6000, 2000);
  assert.equal(times.rttMs(5000, 65_536 / 2, 1550), 50);
  assert.equal(times.rttMs(7000, 0, 1550), -1);
  assert.equal(times.rttMs(6000, 65_536 * 10, 2550), -1, "a delay longer than the time that passed");
});
