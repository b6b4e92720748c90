/** `stoa ports`: the ports that a configuration needs open, for firewalls. */
import { cpus } from "node:os";
import { planWorkers, type Config } from "@stoa/server";
import { Command } from "commander";
import { addServerOptions, configOf } from "../server-options.ts";

/** Builds the command. */
export function portsCommand(): Command {
  const command = new Command("ports").description("print the ports that the server would use");
  return addServerOptions(command).action(() => {
    process.stdout.write(portList(configOf(command).config, cpus().length));
  });
}

/** One line a port. */
export function portList(config: Config, cores: number): string {
  const workers = planWorkers(config, cores);
  const tcp = workers.filter(({ tcpPort }) => tcpPort > 0).map(({ tcpPort }) => `${tcpPort} - ICE/TCP`);
  const udp = workers.map(({ udpPort }) => `${udpPort} - ICE/UDP`);
  return ["TCP Ports", `${config.port} - HTTP service`, ...tcp, "UDP Ports", ...udp, ""].join("\n");
}
