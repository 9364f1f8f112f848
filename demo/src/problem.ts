/** What a client has done wrong. Each platform answers it by its status: Express and Nest read one name, and Fastify the other. */
export class Problem extends Error {
  /** The client may read the message. */
  readonly expose = true;

  constructor(
    readonly status: number,
    message: string,
    readonly statusCode = status,
  ) {
    super(message);
  }
}
