/**
 * Addresses of the paged memory, and the units that everything in `memory/` counts in.
 *
 * An address counts 8-byte granules. It fits a u32: segment number (5 bits), granule within the segment (27 bits):
 *   31    27 26                         0
 *   | seg   | granule in the segment     |      reach: 32 segments of 1 GiB
 * Address 0 means "none": the first unit of segment 0 is never handed out.
 *
 * A unit is what the run allocator deals in (4 KiB, whatever the page size); a page is what copy-on-write deals in.
 */

declare const brand: unique symbol;

/** Where a block starts, in granules. */
export type Address = number & { readonly [brand]: "Address" };
/** Number of a page in the address space: byte address divided by the page size. */
export type PageNumber = number & { readonly [brand]: "PageNumber" };
/** The page-sized slot that holds a before-image, numbered like a page; 0 means "none". */
export type FrameNumber = number & { readonly [brand]: "FrameNumber" };

export const NONE = 0 as Address;

export const GRANULE_BYTES = 8;
export const SEGMENT_BYTES = 2 ** 30;
export const SEGMENTS_MAX = 32;
/** Address >>> SEGMENT_SHIFT is the segment; address & GRANULE_MASK the granule within it. */
export const SEGMENT_SHIFT = 27;
export const GRANULE_MASK = 0x7ffffff;

export const UNIT_BYTES = 4096;
/** Address >>> UNIT_SHIFT is the unit. */
export const UNIT_SHIFT = 9;
export const UNIT_GRANULES = UNIT_BYTES / GRANULE_BYTES;
export const UNITS_PER_SEGMENT = SEGMENT_BYTES / UNIT_BYTES;

export const PAGE_BYTES_MIN = 512;
export const PAGE_BYTES_MAX = 2 * 1024 * 1024;
