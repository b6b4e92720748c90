import { test } from "node:test";
import assert from "node:assert/strict";
import { loadLibC } from "./native.ts";
import { checkSockets } from "./self-check.ts";
import { allocateNativeMemory, allocatePortableMemory } from "./slab-native.ts";
import { udpConformance } from "./udp.conformance.test.ts";
import { openLinuxUdp } from "./udp-linux.ts";
import { openNodeUdp } from "./udp-node.ts";

const libc = process.platform === "linux" ? loadLibC() : undefined;

if (libc) {
  udpConformance({
    name: "Linux system calls",
    allocate: (bytes) => allocateNativeMemory(bytes, libc),
    open: async (context, memory, listen) => openLinuxUdp(context, memory.base!, libc, listen),
  });

  test("the self-check of the sockets is content", () => {
    assert.equal(checkSockets(libc), undefined);
  });
}

udpConformance({
  name: "node:dgram",
  allocate: allocatePortableMemory,
  open: (context, _memory, listen) => openNodeUdp(context, listen),
});
