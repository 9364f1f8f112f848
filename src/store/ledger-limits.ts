/** Bytes of a checkpoint's note, and of a full tile's hashes: more than any of the library's. */
export const MAX_CHECKPOINT_NOTE = 16_384;
export const MAX_TILE = 16_384;
