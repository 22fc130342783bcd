/**
 * What crosses from the main thread to the snapshot Worker at a freeze: shared buffers only, so posting it copies nothing.
 * Everything the Worker may read later is in here, the space for frames included.
 */
export interface SnapshotImage {
  /** By segment number; absent segments are null. */
  readonly segments: readonly (SharedArrayBuffer | null)[];
  /** Int32 per page: the frame that holds the page's before-image, 0 for none. */
  readonly frameTable: SharedArrayBuffer;
  /** Int32 words, see CONTROL. */
  readonly control: SharedArrayBuffer;
  readonly pageBytes: number;
}

/** Words of the control block. */
export const CONTROL = {
  /** 1 once the before-images are no longer complete: whatever was read may be torn, the save must fail. */
  aborted: 0,
  /** Keys the Worker has written so far, and in all. */
  keysProcessed: 1,
  keysTotal: 2,
  /** Set by the main thread to ask the Worker to stop (SHUTDOWN, FLUSHALL, DEBUG). */
  cancel: 3,
  /** Bytes written to the file so far, in KiB. */
  writtenKib: 4,
  words: 16,
} as const;

/** The before-images ran out, or the save was cancelled; what was read since is worthless. */
export class SnapshotAbortedError extends Error {
  override name = "SnapshotAbortedError";
}
