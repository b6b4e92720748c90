/** `stoa generate-keys`: a fresh API key with its secret, as livekit-server prints it. */
import { generateKeyPair } from "@stoa/server";
import { Command } from "commander";

/** Builds the command. */
export function generateKeysCommand(): Command {
  return new Command("generate-keys").description("print a new API key and secret").action(() => {
    const { key, secret } = generateKeyPair();
    process.stdout.write(`API Key:  ${key}\nAPI Secret:  ${secret}\n`);
  });
}
