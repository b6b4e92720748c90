/**
 * Which m-line carries which publication (spec 1.10.7): by the msid track id against the announced cids; m-lines that
 * remain (Firefox rewrites track ids) take the first pending publication of their kind. A binding is remembered per mid.
 */
import type { MediaKind } from "../engine/specs.ts";
import type { Publication } from "./types.ts";

/** An m-line carries a codec of a publication. */
export interface Binding {
  readonly sid: string;
  readonly codecIndex: number;
  readonly sdpCid: string;
}

/** What is needed of an m-line; `binding` and `spentTrackId` are written here. */
export interface MatchableSection {
  readonly kind: MediaKind;
  /** The client sends on it, in a codec that we take. */
  readonly sending: boolean;
  readonly trackId: string;
  /** Lower-case MIME types in common. */
  readonly mimes: readonly string[];
  binding: Binding | undefined;
  /** Track id whose publication the server took away: not to be taken for another one. */
  spentTrackId: string | undefined;
}

/** Updates the bindings of all m-lines, given in the order of the description. `known`: SIDs that ever had a binding; it is extended. */
export function bindSections(
  sections: readonly MatchableSection[],
  publications: readonly Publication[],
  known: Set<string>,
): void {
  for (const section of sections) dropStale(section, publications, known);
  const taken = new Set<string>();
  for (const { binding } of sections) if (binding) taken.add(keyOf(binding.sid, binding.codecIndex));
  const bind = (section: MatchableSection, sid: string, codecIndex: number): void => {
    section.binding = { sid, codecIndex, sdpCid: section.trackId };
    section.spentTrackId = undefined;
    taken.add(keyOf(sid, codecIndex));
  };
  const open = sections.filter((section) => section.sending && !section.binding);
  for (const section of open) {
    const exact = findByCid(section, publications);
    if (exact && !taken.has(keyOf(exact.sid, exact.codecIndex))) bind(section, exact.sid, exact.codecIndex);
  }
  for (const section of open) {
    if (section.binding || section.trackId === section.spentTrackId) continue;
    const next = findPending(section, publications, known, taken) ?? findBackup(section, publications, taken);
    if (next) bind(section, next.sid, next.codecIndex);
  }
  for (const { binding } of sections) if (binding) known.add(binding.sid);
}

interface Slot {
  readonly sid: string;
  readonly codecIndex: number;
}

function keyOf(sid: string, codecIndex: number): string {
  return `${codecIndex} ${sid}`;
}

/** Unbinds what the client stopped, what the server removed, and what now belongs to another publication. */
function dropStale(section: MatchableSection, publications: readonly Publication[], known: ReadonlySet<string>): void {
  const { binding } = section;
  if (!binding) return;
  if (!section.sending) {
    section.binding = undefined;
    return;
  }
  if (!publications.some(({ sid }) => sid === binding.sid)) {
    section.binding = undefined;
    section.spentTrackId = section.trackId;
    return;
  }
  if (section.trackId === binding.sdpCid) return;
  const exact = findByCid(section, publications);
  const replaced = exact
    ? exact.sid !== binding.sid
    : findPending(section, publications, known, new Set()) !== undefined;
  section.binding = replaced ? undefined : { ...binding, sdpCid: section.trackId };
}

function findByCid(section: MatchableSection, publications: readonly Publication[]): Slot | undefined {
  if (section.trackId === "") return undefined;
  for (const publication of publications) {
    if (publication.kind !== section.kind) continue;
    const codecIndex = publication.codecs.findIndex(({ cid }) => cid === section.trackId);
    if (codecIndex >= 0) return { sid: publication.sid, codecIndex };
    if (publication.cid === section.trackId) return { sid: publication.sid, codecIndex: 0 };
  }
  return undefined;
}

/** The oldest publication of the kind that never had an m-line. */
function findPending(
  section: MatchableSection,
  publications: readonly Publication[],
  known: ReadonlySet<string>,
  taken: ReadonlySet<string>,
): Slot | undefined {
  const pending = publications.find(
    ({ sid, kind }) => kind === section.kind && !known.has(sid) && !taken.has(keyOf(sid, 0)),
  );
  return pending && { sid: pending.sid, codecIndex: 0 };
}

/** An announced backup codec without an m-line, in a codec of this m-line. */
function findBackup(
  section: MatchableSection,
  publications: readonly Publication[],
  taken: ReadonlySet<string>,
): Slot | undefined {
  for (const { sid, kind, codecs } of publications) {
    if (kind !== section.kind) continue;
    for (const [codecIndex, { mime, cid }] of codecs.entries()) {
      if (codecIndex === 0 || cid === "" || taken.has(keyOf(sid, codecIndex))) continue;
      if (section.mimes.includes(mime.toLowerCase())) return { sid, codecIndex };
    }
  }
  return undefined;
}
