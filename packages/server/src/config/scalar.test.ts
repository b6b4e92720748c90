import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBoolean, parseDurationMs, parseInteger, parseNumber } from "./scalar.ts";

test("durations in Go's notation", () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ["500ms", 500],
    ["1h10m", 4_200_000],
    ["1.5s", 1500],
    [".5s", 500],
    ["100us", 0.1],
    ["0", 0],
    ["-2s", -2000],
    ["5", undefined],
    ["", undefined],
    ["5 s", undefined],
    ["s", undefined],
    ["1s-2s", undefined],
    ["1d", undefined],
  ];
  for (const [text, ms] of table) assert.equal(parseDurationMs(text), ms, text);
});

test("numbers and booleans as yaml.v3 reads them", () => {
  assert.equal(parseInteger("1_000_000_000"), 1_000_000_000);
  assert.equal(parseInteger("-0x10"), -16);
  assert.equal(parseInteger("0o17"), 15);
  for (const text of ["1.0", "1e3", "abc", "", "1 2", "99999999999999999999"])
    assert.equal(parseInteger(text), undefined);
  assert.equal(parseNumber("0.9"), 0.9);
  assert.equal(parseNumber("-1e-3"), -0.001);
  for (const text of [".", "e5", "nan", ".inf", "--1"]) assert.equal(parseNumber(text), undefined);
  assert.deepEqual(["yes", "Off", "TRUE", "1"].map(parseBoolean), [true, false, true, undefined]);
});
