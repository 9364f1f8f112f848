// oxlint-disable no-self-assign -- what is not there is added, and what is there stays
/** By which Express's router notes on a request what it found: a symbol of its own, so it is known by its description. */
const MATCHED_ROUTE = 'router.tracing.matchedRoute';
/** So many requests are searched for it; older routers have none. */
const MOST_SEARCHED = 100;

type Properties = Record<PropertyKey, unknown>;

/**
 * Has the properties that Express, its router and its body parser set on every request and response be there before Express gives
 * them another prototype. V8 shares no hidden class between objects that get a property after that: each request then has
 * classes of its own, and whatever reads or writes one of its properties later has to look it up
 * (`docs/decisions/013-request-path.md`). A value that is there stays; what is not there is `undefined`, as it was.
 */
export class ExpressShapes {
  private matchedRoute: symbol | undefined;
  private searched = 0;
  private last: object | undefined;

  prepare(request: object, response: object): void {
    this.learn(request);
    // Written out: a loop over names would make hash tables of them.
    const asked = request as Properties;
    asked['next'] = asked['next'];
    asked['baseUrl'] = asked['baseUrl'];
    asked['originalUrl'] = asked['originalUrl'];
    asked['_parsedUrl'] = asked['_parsedUrl'];
    asked['route'] = asked['route'];
    asked['params'] = asked['params'];
    asked['body'] = asked['body'];
    // Node's own, once somebody listens.
    asked['_eventsCount'] = asked['_eventsCount'];
    if (this.matchedRoute) asked[this.matchedRoute] = asked[this.matchedRoute];
    const answered = response as Properties;
    answered['locals'] = answered['locals'];
    answered['statusCode'] = answered['statusCode'];
    answered['statusMessage'] = answered['statusMessage'];
  }

  /** What the router put on the request before this one. */
  private learn(request: object): void {
    if (this.searched >= MOST_SEARCHED) return;
    this.searched += 1;
    const own = this.last ? Object.getOwnPropertySymbols(this.last) : [];
    this.matchedRoute = own.find(({ description }) => description === MATCHED_ROUTE);
    const isDone = this.matchedRoute !== undefined || this.searched >= MOST_SEARCHED;
    if (isDone) this.searched = MOST_SEARCHED;
    this.last = isDone ? undefined : request;
  }
}
