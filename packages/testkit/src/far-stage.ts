/** A stage in a namespace (`rerunInNamespace`) with one more host, behind a link that a test can spoil, and a Chromium there. */
import type { launchChromium } from "./browser.ts";
import { LinkedHost } from "./linked-host.ts";
import { NAMESPACE_ADDRESS } from "./namespace.ts";
import { openStage, type Stage } from "./stage.ts";

type Browser = Awaited<ReturnType<typeof launchChromium>>;

/** See the file's head. */
export class FarStage {
  readonly stage: Stage;
  readonly host: LinkedHost;
  /** The browser on that host. */
  readonly far: Browser;

  constructor(stage: Stage, host: LinkedHost, far: Browser) {
    this.stage = stage;
    this.host = host;
    this.far = far;
  }

  /** The pages go, and the link is as good as new: for `afterEach`. */
  async clear(): Promise<void> {
    this.host.lose("down", 0);
    this.host.lose("up", 0);
    await this.stage.clear();
  }

  /** Ends all: for `after`. */
  async close(): Promise<void> {
    await Promise.allSettled([this.far.close(), this.stage.close()]);
    this.host.close();
  }
}

/** Starts all of it: for `before`. */
export async function openFarStage(): Promise<FarStage> {
  const stage = await openStage({ address: NAMESPACE_ADDRESS });
  let host: LinkedHost | undefined;
  try {
    host = await LinkedHost.create(2);
    return new FarStage(stage, host, await host.launchChromium());
  } catch (error) {
    host?.close();
    await stage.close();
    throw error;
  }
}
