/**
 * A network namespace for a whole test file: interfaces with addresses of their own (Firefox never connects to loopback), packet filters
 * that touch nobody else. Works for root, and for others where the kernel allows user namespaces. Linux only.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Address of this host inside the namespace. */
export const NAMESPACE_ADDRESS = "10.99.0.1";

const MARK = "STOA_TEST_NAMESPACE";
const SETUP = [
  "ip link set lo up",
  "ip link add stoa0 type veth peer name stoa1",
  `ip addr add ${NAMESPACE_ADDRESS}/24 dev stoa0`,
  "ip link set stoa0 up",
  "ip link set stoa1 up",
  "ip route add default via 10.99.0.254 dev stoa0",
].join(" && ");

/** Whether this process already runs in a namespace that `rerunInNamespace` made. */
export function inNamespace(): boolean {
  return process.env[MARK] === "1";
}

/** Runs a test file again inside a fresh namespace, shows its output, and rejects when a test in it fails. */
export function rerunInNamespace(fileUrl: string): Promise<void> {
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const command = `${SETUP} && exec "$0" --test-reporter=spec "$1"`;
  const args = ["--net", ...asRoot, "sh", "-c", command, process.execPath, fileURLToPath(fileUrl)];
  return new Promise((resolve, reject) => {
    const env: NodeJS.ProcessEnv = { ...process.env, [MARK]: "1" };
    delete env.NODE_TEST_CONTEXT;
    const child = spawn("unshare", args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.stderr.on("data", (chunk) => (output += String(chunk)));
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) {
        console.log(output);
        resolve();
      } else reject(new Error(`in the namespace:\n${output.slice(-6000)}`));
    });
  });
}
