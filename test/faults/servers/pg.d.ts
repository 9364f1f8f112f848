// What the fault suite uses of the driver, which brings no types.
declare module 'pg' {
  class Client {
    constructor(options: Record<string, unknown>);
    connect(): Promise<void>;
    query<Row>(statement: string): Promise<{ rows: Row[] }>;
    end(): Promise<void>;
    on(event: 'error', listener: (error: Error) => void): this;
  }
  const pg: { readonly Client: typeof Client };
  export default pg;
}
