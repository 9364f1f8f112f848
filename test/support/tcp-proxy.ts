// Stands between the application and its database, and takes the database away: refuses, cuts, lets through again.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';

export class TcpProxy {
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();
  private port = 0;
  private isSilent = false;

  constructor(private readonly target: { host: string; port: number } | { path: string }) {}

  /** Reserves a port that refuses connections until {@link open}. */
  async reserve(): Promise<number> {
    await this.open();
    await this.cut();
    return this.port;
  }

  /** Lets connections through. */
  async open(): Promise<void> {
    this.server = createServer((inbound) => {
      const outbound = connect(this.target as { host: string; port: number });
      for (const [socket, other] of [
        [inbound, outbound],
        [outbound, inbound],
      ] as const) {
        this.sockets.add(socket);
        socket
          .on('error', () => undefined)
          .on('close', () => {
            this.sockets.delete(socket);
            other.destroy();
          });
        if (!this.isSilent) socket.pipe(other);
      }
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Lets nothing through any more, on connections that there are and on new ones, and does not say so. */
  silence(): void {
    this.isSilent = true;
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  /** New connections get through; those from before never do. */
  answerNewOnes(): void {
    this.isSilent = false;
  }

  /** Cuts every connection and refuses new ones. */
  async cut(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server) await closeAtOnce(server, this.sockets);
  }
}

/** Listens no more, and destroys the connections that there are. */
export async function closeAtOnce(server: Server, sockets: Iterable<Socket>): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}
