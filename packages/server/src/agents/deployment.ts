/** Names of deployments of an agent: part of a name that is taken apart at underscores (livekit.md 5). */

const MAX_BYTES = 64;

/** What is wrong with one, after "deployment"; undefined when nothing is. */
export function deploymentMistake(deployment: string): string | undefined {
  if (Buffer.byteLength(deployment) > MAX_BYTES) return `exceeds ${MAX_BYTES} bytes`;
  if (deployment.includes("_")) return "contains reserved character '_'";
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u0020\u007f]/.test(deployment)) return "contains whitespace or a control character";
  return undefined;
}
