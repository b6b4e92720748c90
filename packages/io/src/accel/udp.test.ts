import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, test } from "node:test";
import { loadLibC } from "./native.ts";
import { checkSockets } from "./self-check.ts";
import { allocateNativeMemory, allocatePortableMemory } from "./slab-native.ts";
import { udpConformance } from "./udp.conformance.test.ts";
import { setUp, type UdpKind } from "./udp-edge.test.ts";
import { openLinuxUdp } from "./udp-linux.ts";
import { openNodeUdp } from "./udp-node.ts";

const libc = process.platform === "linux" ? loadLibC() : undefined;

if (libc) {
  const linux: UdpKind = {
    name: "Linux system calls",
    allocate: (bytes) => allocateNativeMemory(bytes, libc),
    open: async (context, memory, listen) => openLinuxUdp(context, memory.base!, libc, listen),
  };
  udpConformance(linux);

  describe("a wildcard address with sockets for each of the machine's own", () => {
    const addresses = [{ address: "0.0.0.0", optional: false }];
    const own = ["127.0.0.2", "203.0.113.9"]; // the second one is not to be had

    test("answers from the address that was asked", async (t) => {
      const { udp, table, received } = await setUp(t, linux, { listen: { addresses, own, port: 0 } });
      const client = createSocket("udp4").bind(0, "127.0.0.1");
      t.after(() => client.close());
      await once(client, "listening");
      for (const asked of ["127.0.0.2", "127.0.0.1"]) {
        client.send("ask", udp.port, asked);
        while (received.length === 0) await new Promise((resolve) => setImmediate(resolve));
        const { path } = received.shift()!;
        table.retain(path);
        udp.commit(path, 10);
        udp.flush();
        const [, from] = (await once(client, "message")) as [Buffer, { address: string; port: number }];
        assert.deepEqual([from.address, from.port], [asked, udp.port]);
      }
    });

    test("has its port for itself", async (t) => {
      const { udp } = await setUp(t, linux, { listen: { addresses, own, port: 0 } });
      const again = { addresses, own, port: udp.port };
      await assert.rejects(setUp(t, linux, { listen: again }), { code: "port_in_use" });
    });
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
