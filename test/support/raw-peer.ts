// A peer with a good certificate that says in HTTP/2 whatever a test tells it to, on either side of a tunnel.
// Out: what it was told in return, frame by frame.
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import { clientPreface, encodeFrame, FrameDecoder, frameTypes } from '../../common/http2/frame-codec.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import { secureAsClient } from '../../common/tls/tls-client.ts';
import { secureAsServer } from '../../common/tls/tls-server.ts';
import { certificates, sleep, sockets, web } from './tunnel-ends.ts';

export interface SeenFrame {
  readonly type: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export const emptySettings: Buffer = encodeFrame(frameTypes.SETTINGS, 0, 0, Buffer.alloc(0));

export class RawPeer {
  readonly socket: TLSSocket;
  /** All but DATA. */
  readonly frames: SeenFrame[] = [];
  readonly closed: Promise<void>;

  constructor(socket: TLSSocket, side: 'client' | 'server') {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    let prefaceDue = side === 'server' ? clientPreface.length : 0;
    const decoder = new FrameDecoder(1 << 24, {
      onFrameHeader: () => undefined,
      onDataPayload: () => undefined,
      onFrame: ({ type, streamId }, payload) => {
        this.frames.push({ type, streamId, payload: Buffer.from(payload) });
        return undefined;
      },
    });
    socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(prefaceDue, chunk.length);
      prefaceDue -= skipped;
      decoder.push(chunk.subarray(skipped));
    });
  }

  /** Waits for the first frame of this type. */
  async heard(type: number): Promise<void> {
    while (!this.frames.some((frame) => frame.type === type)) await once(this.socket, 'data');
  }

  /** Says it all, as fast as the other side takes it, unless that side hangs up. */
  async say(...parts: readonly Buffer[]): Promise<void> {
    for (const part of parts) {
      if (this.socket.destroyed || !this.socket.writable) return;
      if (!this.socket.write(part)) await Promise.race([once(this.socket, 'drain'), this.closed]);
    }
  }

  /** The code of GOAWAY; undefined where the connection ended without one. */
  async goAwayCode(): Promise<number | undefined> {
    await this.closed;
    return this.frames.findLast((frame) => frame.type === frameTypes.GOAWAY)?.payload.readUInt32BE(4);
  }
}

/** After the TLS handshake, before a byte of HTTP/2. */
export async function dialRaw(t: Test, address: SocketAddress): Promise<RawPeer> {
  const socket = await sockets.connectSocket({ to: address });
  const certificate = await certificates.get(sleep);
  const peerName = 'the server under test';
  const secured = await secureAsClient({ socket, certificate, expected: [web], timeoutMs: 60_000, peerName });
  t.teardown(() => secured.socket.destroy());
  return new RawPeer(secured.socket, 'client');
}

/** A tunnel server that says nothing by itself. */
export async function startRawServer(t: Test, onPeer: (peer: RawPeer) => void): Promise<SocketAddress> {
  const certificate = await certificates.get(web);
  const listener = await sockets.listenSockets({ port: 0, host: 'loopback' }, async ({ socket }) => {
    const secured = await secureAsServer({ socket, certificate, timeoutMs: 60_000, peerName: 'the client under test' });
    t.teardown(() => secured.socket.destroy());
    onPeer(new RawPeer(secured.socket, 'server'));
  });
  t.teardown(() => listener.close());
  return listener.address;
}
