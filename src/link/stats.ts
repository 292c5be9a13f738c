/** What is counted on a link. */

/** What this side counted since the link was made. */
export interface LinkStats {
  framesIn: number;
  framesOut: number;
  badCrc: number;
  oversize: number;
  badEscape: number;
  /** Frames with a good checksum and a type or a body that makes no sense. */
  unknown: number;
  /** Messages for a VM that is not there (any more). */
  stale: number;
  /** Places where output was missing and was asked for again. */
  gaps: number;
  /** Output that came twice. */
  duplicates: number;
  /** Times that input was sent again. */
  resends: number;
  /** Output bytes that L1 no longer had. */
  lostBytes: number;
}

/** Those that are not the decoder's. */
export type FrameStats = Omit<LinkStats, 'oversize' | 'badEscape'>;

export function newFrameStats(): FrameStats {
  return {
    framesIn: 0,
    framesOut: 0,
    badCrc: 0,
    unknown: 0,
    stale: 0,
    gaps: 0,
    duplicates: 0,
    resends: 0,
    lostBytes: 0,
  };
}
