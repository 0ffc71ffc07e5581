// The two phases of a live connection that take time: waiting for something (a dial), then carrying bytes both ways.
// Either ends at once when the connection is aborted.
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { type ByteCount, copyStreams } from '../../common/net/copy-streams.ts';
import type { LiveConnection } from './connection-tracker.ts';

/** @param dispose gets what came too late. @throws the abort's reason, or what `work` throws */
export function unlessAborted<T>(
  live: LiveConnection,
  work: Promise<T>,
  dispose: (late: T) => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    live.onAbort(reject);
    work.then((value) => (live.abortReason === undefined ? resolve(value) : dispose(value)), reject);
  });
}

/** Resolves when both directions have ended: undefined for an ordinary end. */
export function carryBytes(
  live: LiveConnection,
  downstream: ByteStream,
  upstream: ByteStream,
  count: ByteCount,
): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const copy = copyStreams(downstream, upstream, count, resolve);
    live.onAbort((reason) => copy.abort(reason));
  });
}
