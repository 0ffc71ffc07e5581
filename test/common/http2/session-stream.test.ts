import t from 'tap';
import { ConnectionSession } from '../../../common/http2/connection-session.ts';
import { errorCodes } from '../../../common/http2/error-code.ts';
import {
  clientPreface,
  encodeFrame,
  encodeHeaders,
  encodeResetStream,
  frameTypes,
} from '../../../common/http2/frame-codec.ts';
import { encodeFields } from '../../../common/http2/hpack-codec.ts';
import { SessionStream } from '../../../common/http2/session-stream.ts';
import { serverSettings } from '../../../common/http2/settings.ts';
import type { StreamState } from '../../../common/http2/stream-state.ts';
import { record } from '../../support/recording-sink.ts';

const connectFields = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.9:80'],
] as const;
const settings = encodeFrame(frameTypes.SETTINGS, 0, 0, Buffer.alloc(0));
const request = encodeHeaders(1, encodeFields(connectFields, 'later'), 'more', 16_384);
const data = (bytes: number): Buffer => encodeFrame(frameTypes.DATA, 0, 1, Buffer.alloc(bytes));
const cancel = encodeResetStream(1, errorCodes.CANCEL);

/** The one stream of a session that a peer has opened and whose window it leaves at 65 535 bytes. */
function openedStream(): { session: ConnectionSession; stream: SessionStream } {
  const opened: StreamState[] = [];
  const session = new ConnectionSession(serverSettings, {
    onOutput() {},
    onWindowUsed() {},
    onReady() {},
    onRequest: (stream) => {
      opened.push(stream);
      return new SessionStream(session, stream);
    },
    onPong() {},
    onGoAway() {},
    onStreamClosed() {},
    onFault() {},
  });
  session.receive(Buffer.concat([clientPreface, settings, request]));
  const events = opened[0]?.events;
  if (!(events instanceof SessionStream)) throw new Error('no stream');
  return { session, stream: events };
}

t.test('a writer who waits goes on when the peer cancels, and what it writes goes nowhere', async (t) => {
  const { session, stream } = openedStream();
  const sink = record(stream);
  t.equal(stream.write(Buffer.alloc(1_000_000)), false);
  stream.pause();
  session.receive(data(10));
  session.receive(cancel);
  t.same(sink.events, ['writable'], 'the bytes that came before are still held');
  t.equal(stream.write(Buffer.alloc(100_000)), true);
  stream.resume();
  await sink.closed();
  t.same(sink.events, ['writable', 'data', 'end', 'close']);
  t.equal(sink.closeError, undefined);
});

t.test('who writes without end for a peer that has cancelled is reset', async (t) => {
  const { session, stream } = openedStream();
  const sink = record(stream);
  stream.pause();
  session.receive(data(10));
  session.receive(cancel);
  while (stream.write(Buffer.alloc(100_000))) if (sink.events.length > 0) t.fail('reset within one turn');
  await sink.closed();
  t.match(sink.closeError, { code: 'CONNECTION_RESET', message: /cancelled/ });
});
