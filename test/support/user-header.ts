// The header `x-user` is the user as JSON, where how users are verified is not the matter of a test.
interface SentRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  user?: unknown;
}

/** The headers of a request that the user makes. */
export function as(user: object): Record<string, string> {
  return { 'x-user': JSON.stringify(user) };
}

/** Has `request.user` be who the header says. */
export function readUser({ headers }: SentRequest): unknown {
  const { 'x-user': user } = headers;
  return user === undefined ? undefined : JSON.parse(user);
}

/** The same as a middleware. */
export function userOfHeader(request: SentRequest, _response: unknown, next: () => void): void {
  request.user = readUser(request);
  next();
}
