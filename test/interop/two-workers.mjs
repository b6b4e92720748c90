// The server with two media workers on any machine. The arguments are those that testkit's `startServer` gives to `stoa serve`.
import { createServer } from "@stoa/server";

const valueOf = (name) => process.argv[process.argv.indexOf(name) + 1];
const config = JSON.parse(valueOf("--config-body"));
const address = valueOf("--bind");
const stoa = createServer({
  config: { ...config, bind_addresses: [address], rtc: { ...config.rtc, node_ip: address } },
  parts: { cores: 3 },
});
await stoa.start();
process.on("SIGTERM", () => {
  stoa.close().catch(console.error);
});
