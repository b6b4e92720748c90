/** Which addresses a webhook may go to. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addressScope, literalAddress, mayReach } from "./target.ts";

describe("the scope of an address", () => {
  const table = {
    public: ["8.8.8.8", "192.0.2.1", "172.32.0.1", "2001:4860:4860::8888", "64:ff9b::8.8.8.8"],
    private: [
      "127.0.0.1",
      "127.255.0.1",
      "0.0.0.0",
      "10.1.2.3",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "100.64.0.1",
      "::1",
      "::",
      "fd00::1",
      "::ffff:127.0.0.1",
      "::ffff:10.0.0.1",
      "::10.0.0.1",
      "64:ff9b::10.0.0.1",
      "2002:a00:1::",
    ],
    linkLocal: [
      "169.254.169.254",
      "fe80::1",
      "::ffff:169.254.169.254",
      "64:ff9b::a9fe:a9fe",
      "224.0.0.1",
      "255.255.255.255",
      "0.0.0.1",
      "ff02::1",
      "not an address",
    ],
  } as const;
  for (const [scope, addresses] of Object.entries(table)) {
    test(`${scope}: ${addresses.join(", ")}`, () => {
      for (const address of addresses) assert.equal(addressScope(address), scope, address);
    });
  }

  test("the metadata service of a cloud needs a permission of its own", () => {
    const policy = { allowPrivate: true, allowLinkLocal: false };
    assert.ok(mayReach("10.0.0.1", policy));
    assert.ok(!mayReach("169.254.169.254", policy));
    assert.ok(mayReach("169.254.169.254", { allowPrivate: true, allowLinkLocal: true }));
    assert.ok(!mayReach("10.0.0.1", { allowPrivate: false, allowLinkLocal: false }));
  });
});

test("a URL that names an address is known before anything connects", () => {
  const literal = (text: string) => literalAddress(new URL(text));
  assert.equal(literal("http://localhost:3000/hook"), "127.0.0.1");
  assert.equal(literal("http://a.localhost./"), "127.0.0.1");
  assert.equal(literal("http://2130706433/"), "127.0.0.1"); // an IPv4 address as one number
  assert.equal(literal("http://0x7f.1/"), "127.0.0.1");
  assert.equal(literal("https://[::1]:8/"), "::1");
  assert.equal(literal("https://example.com/"), undefined);
});
