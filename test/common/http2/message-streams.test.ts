// Streams that get little, again and again, beside those that get much.
import t from 'tap';
import { MessageStreams, newStreamRounds } from '../../../common/http2/message-streams.ts';

const little = 32 * 1024;

t.test('a stream that gets little in a round is one of messages', async (t) => {
  const streams = new MessageStreams();
  const bulk = newStreamRounds();
  streams.count(bulk, 256 * 1024);
  t.equal(streams.endRound(), 'none');
  streams.count(bulk, 256 * 1024);
  const message = newStreamRounds();
  streams.count(message, 1_000);
  streams.count(message, 1_000);
  t.equal(streams.endRound(), 'some');
  t.equal(streams.endRound(), 'none', 'a round without bytes');
});

t.test('little after little is much', async (t) => {
  const streams = new MessageStreams();
  const stream = newStreamRounds();
  for (let bytes = 0; bytes <= little; bytes += 1_024) streams.count(stream, 1_024);
  t.equal(streams.endRound(), 'none');
});

t.test('bulk that gets the rest of a round stays bulk, and is none any more after 64 rounds', async (t) => {
  const streams = new MessageStreams();
  const bulk = newStreamRounds();
  streams.count(bulk, little + 1);
  streams.endRound();
  for (let round = 0; round < 64; round += 1) {
    streams.count(bulk, 10);
    t.equal(streams.endRound(), 'none');
  }
  streams.count(bulk, 10);
  t.equal(streams.endRound(), 'some');
});
