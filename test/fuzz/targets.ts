/** All targets of the fuzzer. */
import { dtls } from "./dtls.ts";
import type { Target } from "./engine.ts";
import { ice } from "./ice.ts";
import { readers } from "./readers.ts";
import { sctpAssociation } from "./sctp-association.ts";
import { sctpNoise } from "./sctp-noise.ts";
import { sctpParser } from "./sctp-parser.ts";

/** In the order in which they run. */
export const TARGETS: readonly Target[] = [sctpParser, sctpAssociation, sctpNoise, dtls, ice, ...readers];
