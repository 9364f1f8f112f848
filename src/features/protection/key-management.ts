/** A KMS, as the library asks it. */
export interface KeyManagement {
  /** Names the key that wraps from now on; kept with what it has wrapped. */
  readonly keyId: string;
  /**
   * Names of keys that wrapped before. Only these and `keyId` are ever asked for: what another name stands on was written by somebody else.
   * @defaultValue none
   */
  readonly formerKeyIds?: readonly string[];
  /** Encrypts the 64 bytes; what it answers may have at most 3,000. */
  wrap(key: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * Decrypts what `wrap` answered, by the key of that name and no other.
   *
   * @param keyId the name of the key at that time: `keyId`, or one of `formerKeyIds`
   */
  unwrap(wrapped: Uint8Array, keyId: string): Uint8Array | Promise<Uint8Array>;
}
