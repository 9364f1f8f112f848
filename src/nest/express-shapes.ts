// oxlint-disable no-self-assign -- what is not there is added, and what is there stays
import { IncomingMessage, ServerResponse } from 'node:http';

/** By which Express's router notes on a request what it found: a symbol of its own, so it is known by its description. */
const MATCHED_ROUTE = 'router.tracing.matchedRoute';
/** So many requests are searched for it; older routers have none. */
const MOST_SEARCHED = 100;

type Properties = Record<PropertyKey, unknown>;

/**
 * Has the properties that Express, its router and its body parser set on every request and response be there before Express gives
 * them another prototype. The V8 of Node 20 and 22 shares no hidden class between objects that get a property after that:
 * each request then has classes of its own, and whatever reads or writes one of its properties later has to look it up
 * (`docs/decisions/013-request-path.md`). A value that is there stays; what is not there is `undefined`, as it was.
 */
export class ExpressShapes {
  private matchedRoute: symbol | undefined;
  private searched = 0;
  private last: object | undefined;

  /** Never throws. */
  prepare(request: object, response: object): void {
    // The classes of another kind of server may have accessors by these names.
    if (Object.getPrototypeOf(request) !== IncomingMessage.prototype) return;
    if (Object.getPrototypeOf(response) !== ServerResponse.prototype) return;
    this.learn(request);
    try {
      this.prepareRequest(request as Properties);
      prepareResponse(response as Properties);
    } catch {
      // Somebody has put one there that can't be set: as without this.
    }
  }

  /** Written out: a loop over names would make hash tables of them. */
  private prepareRequest(request: Properties): void {
    request['next'] = request['next'];
    request['baseUrl'] = request['baseUrl'];
    request['originalUrl'] = request['originalUrl'];
    request['_parsedUrl'] = request['_parsedUrl'];
    request['route'] = request['route'];
    request['params'] = request['params'];
    request['body'] = request['body'];
    // Node's own, once somebody listens.
    request['_eventsCount'] = request['_eventsCount'];
    if (this.matchedRoute) request[this.matchedRoute] = request[this.matchedRoute];
  }

  /** What the router put on the request before this one. */
  private learn(request: object): void {
    if (this.matchedRoute || this.searched === MOST_SEARCHED) return;
    this.searched += 1;
    const own = this.last ? Object.getOwnPropertySymbols(this.last) : [];
    this.matchedRoute = own.find(({ description }) => description === MATCHED_ROUTE);
    const goesOn = !this.matchedRoute && this.searched < MOST_SEARCHED;
    this.last = goesOn ? request : undefined;
  }
}

function prepareResponse(response: Properties): void {
  response['locals'] = response['locals'];
  response['statusCode'] = response['statusCode'];
  response['statusMessage'] = response['statusMessage'];
}
