// The two phases of a live connection that take time: waiting for something (a dial), then carrying bytes both ways.
// Either ends at once when the connection is aborted.
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { copyStreams } from '../../common/net/copy-streams.ts';
import type { ConnectionEntry } from './connection-journal.ts';
import type { LiveConnection } from './connection-tracker.ts';

/** @param dispose gets what came too late. @throws the abort's reason, or what `work` throws */
export function unlessAborted<T>(
  live: LiveConnection,
  work: Promise<T>,
  dispose: (late: T) => void = ignore,
): Promise<T> {
  return new Promise((resolve, reject) => {
    live.onAbort(reject);
    work.then((value) => (live.abortReason === undefined ? resolve(value) : dispose(value)), reject);
  });
}

function ignore(): void {}

/** For who waits for a stream. */
export function resetLate(late: ByteStream): void {
  late.reset();
}

/**
 * Carries until both directions have ended; then the entry is closed and the connection over. Nothing waits for it meanwhile: what waits
 * holds memory, and most connections are idle most of the time.
 */
export function carryBytes(
  live: LiveConnection,
  downstream: ByteStream,
  upstream: ByteStream,
  entry: ConnectionEntry,
): void {
  const copy = copyStreams(downstream, upstream, entry.count, (error) => {
    entry.close(error);
    live.end();
  });
  live.onAbort((reason) => copy.abort(reason));
}
