// Stands between the application and its database, and does what a bad network does.
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { once } from 'node:events';
import { closeAtOnce } from '../support/tcp-proxy.js';
import { steadyPort } from './steady-port.js';

/**
 * - `insert`: within a statement that inserts events, after some hundred bytes of it
 * - `answer`: when the database has answered such a statement, or its commit, and before the application hears of it
 */
export type Cut = 'insert' | 'answer';

const INSERT_EVENTS = /INSERT INTO \S*audit_events/i;
const COMMIT = /\bCOMMIT\b/i;
const CUT_AFTER_BYTES = 700;

export class FaultProxy {
  /** Connections cut by {@link cutAt}, so that a test sees that its fault came about. */
  cuts = 0;
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();
  private port = 0;
  private delayMs = 0;
  private cut: Cut | undefined;
  private cutsLeft = 0;

  constructor(private readonly targetPort: () => number) {}

  /** Lets connections through. @returns its port, which stays the same */
  async open(): Promise<number> {
    if (this.server) return this.port;
    this.server = createServer((inbound) => this.pair(inbound, connect(this.targetPort(), '127.0.0.1')));
    this.port ||= await steadyPort();
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    return this.port;
  }

  /** Cuts every connection and refuses new ones. */
  async refuse(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server) await closeAtOnce(server, this.sockets);
  }

  /** Every packet of the database's arrives this much later. */
  delayAnswers(ms: number): void {
    this.delayMs = ms;
  }

  /** Cuts the next `times` connections that come to that point. */
  cutAt(cut: Cut, times: number): void {
    this.cut = cut;
    this.cutsLeft = times;
  }

  private pair(inbound: Socket, outbound: Socket): void {
    const both = () => {
      inbound.destroy();
      outbound.destroy();
    };
    for (const socket of [inbound, outbound]) {
      this.sockets.add(socket);
      socket.setNoDelay();
      socket
        .on('error', () => undefined)
        .on('close', () => {
          this.sockets.delete(socket);
          both();
        });
    }
    let answerIsLost = false;
    inbound.on('data', (chunk: Buffer) => {
      if (this.cutsLeft > 0) {
        const text = chunk.toString('latin1');
        const insert = text.search(INSERT_EVENTS);
        if (this.cut === 'insert' && insert >= 0) {
          this.countCut();
          outbound.write(chunk.subarray(0, insert + CUT_AFTER_BYTES), both);
          return;
        }
        if (this.cut === 'answer' && (insert >= 0 || COMMIT.test(text))) {
          this.countCut();
          answerIsLost = true;
        }
      }
      forward(inbound, outbound, chunk);
    });
    outbound.on('data', (chunk: Buffer) => {
      if (answerIsLost) both();
      else if (this.delayMs > 0) setTimeout(() => forward(outbound, inbound, chunk), this.delayMs);
      else forward(outbound, inbound, chunk);
    });
  }

  private countCut(): void {
    this.cutsLeft -= 1;
    this.cuts += 1;
  }
}

function forward(from: Socket, to: Socket, chunk: Buffer): void {
  if (to.destroyed || to.write(chunk)) return;
  from.pause();
  to.once('drain', () => from.resume());
}
