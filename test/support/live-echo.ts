// A conversation with an echo in a tunnel of its own that goes on while something else happens, and tells whether it was disturbed.
import { EventEmitter, once } from 'node:events';
import type { TunnelDialer, TunnelTarget } from '../../common/hbone/hbone.ts';

export interface LiveEcho {
  /** Round trips so far, each with the bytes that were sent. */
  readonly trips: number;
  /** Waits for another round trip. @throws the error that ended the conversation */
  goesOn(): Promise<void>;
  /** Half-closes, and waits for the end. */
  finish(): Promise<void>;
}

export async function startEcho(pool: TunnelDialer, target: TunnelTarget): Promise<LiveEcho> {
  const { stream } = await pool.connect(target, 'echo:80', []);
  const changes = new EventEmitter();
  let trips = 0;
  let state: 'talking' | 'finishing' | 'ended' = 'talking';
  let failure: Error | undefined;
  let expected = Buffer.alloc(0);
  let heard: Buffer = Buffer.alloc(0);
  const ask = (): void => {
    expected = Buffer.alloc(1024, trips % 251);
    heard = Buffer.alloc(0);
    stream.write(Buffer.from(expected));
  };
  const next = (): void => {
    if (!heard.equals(expected)) failure = new Error(`round trip ${trips} came back changed`);
    trips += 1;
    if (state === 'finishing') stream.end();
    else ask();
    changes.emit('change');
  };
  stream.open({
    onData(chunk) {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length >= expected.length) next();
    },
    onEnd() {},
    onWritable() {},
    onClose(error) {
      state = 'ended';
      failure ??= error;
      changes.emit('change');
    },
  });
  ask();
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition() && failure === undefined && state !== 'ended') await once(changes, 'change');
    if (failure) throw failure;
  };
  return {
    get trips() {
      return trips;
    },
    async goesOn() {
      const before = trips;
      await until(() => trips > before + 1);
      if (state === 'ended') throw new Error('the echo ended');
    },
    async finish() {
      state = 'finishing';
      await until(() => false);
    },
  };
}
