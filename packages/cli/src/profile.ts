/** `--cpuprofile` and `--memprofile`: of the main thread, in the formats of Chromium's developer tools. */
import { writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { writeHeapSnapshot } from "node:v8";

/** Files to write at the end. */
export interface ProfileOptions {
  readonly cpuprofile?: string | undefined;
  readonly memprofile?: string | undefined;
}

/** Starts what is asked for; the result writes the files. */
export async function startProfiles({ cpuprofile, memprofile }: ProfileOptions): Promise<() => Promise<void>> {
  let session: Session | undefined;
  if (cpuprofile !== undefined) {
    session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
  }
  return async () => {
    if (session && cpuprofile !== undefined) {
      const { profile } = await session.post("Profiler.stop");
      await writeFile(cpuprofile, JSON.stringify(profile));
    }
    if (memprofile !== undefined) writeHeapSnapshot(memprofile);
  };
}
